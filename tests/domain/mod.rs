//! What users declare: ids, events, commands, handlers, and the metadata of recorded events.

mod commands;
mod emits;
mod ids;
mod metadata;
mod shapes;

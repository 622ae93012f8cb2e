//! What a user declares: ids, events, commands, handlers, and the metadata of what they record.

mod ids;
mod metadata;
mod shapes;

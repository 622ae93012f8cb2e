//! The traits and types of a domain: aggregates, commands, events, ids. Nothing here knows a store.

pub(crate) mod aggregate;
pub(crate) mod codec_error;
pub(crate) mod command;
pub(crate) mod command_mark;
pub(crate) mod command_set;
pub(crate) mod command_traits;
pub(crate) mod content;
pub(crate) mod decision;
pub(crate) mod default_services;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod event_schema;
pub(crate) mod event_set;
pub(crate) mod hash;
pub(crate) mod id;
pub(crate) mod json_path;
pub(crate) mod metadata;
pub(crate) mod misspelling;
pub(crate) mod new_id;
pub(crate) mod panic;
pub(crate) mod position;
pub(crate) mod read_command;
pub(crate) mod snapshot;
pub(crate) mod stream_name;
pub(crate) mod thread_safe;
pub(crate) mod time;

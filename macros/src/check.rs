//! The rules: what an item must be like. Each says what is wrong, where, and what to write instead.

mod handlers;
mod history;
mod items;
mod lock;

pub(crate) use self::handlers::{handled_once, handler};
pub(crate) use self::history::{changes, given, has_a_past, history, one_conversion, removed, since};
pub(crate) use self::items::{
    aggregate, event, keeps_all, listed, no_generics, partition_by, plain_struct, projection, required,
    snapshot, version,
};
pub(crate) use self::lock::locked;

//! The rules: what an item must be like. Each says what is wrong, where, and what to write instead.

mod handlers;
mod history;
mod items;

pub(crate) use self::handlers::{handled_once, handler};
pub(crate) use self::history::{changes, given, has_a_past, history, one_conversion, removed, since};
pub(crate) use self::items::{aggregate, event, listed, plain_struct, projection, required, version};

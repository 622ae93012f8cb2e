//! Code that the tests share.

pub(crate) mod account;
pub(crate) mod bounded;
pub(crate) mod chain;
pub(crate) mod contents;
pub(crate) mod events;
pub(crate) mod fragile;
pub(crate) mod job;
pub(crate) mod kept;
pub(crate) mod process;
pub(crate) mod retries;
pub(crate) mod shop;
pub(crate) mod sql_views;
pub(crate) mod stores;
pub(crate) mod views;

//! Code that the tests share.

pub(crate) mod account;
pub(crate) mod chain;
pub(crate) mod contents;
pub(crate) mod events;
pub(crate) mod fragile;
pub(crate) mod process;
pub(crate) mod shop;
pub(crate) mod stores;
pub(crate) mod views;

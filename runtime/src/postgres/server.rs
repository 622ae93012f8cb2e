//! The server: how it is reached, what its errors mean, and the store's tables in it.

pub(crate) mod address;
pub(crate) mod error;
pub(crate) mod hosts;
pub(crate) mod names;
pub(crate) mod options;
pub(crate) mod session;
pub(crate) mod ssl;
pub(crate) mod tables;
pub(crate) mod timelines;

//! What the tests share: a domain, stores, views and processes.

pub(crate) mod account;
pub(crate) mod events;
#[cfg(unix)]
pub(crate) mod process;

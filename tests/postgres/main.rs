//! The store in PostgreSQL, on servers that the tests start. Without PostgreSQL, they print why they skip.

#[path = "../support/account.rs"]
mod account;
mod appends;
mod commands;
#[path = "../support/contents.rs"]
mod contents;
mod copies;
mod crashes;
mod laws;
mod leaders;
mod opening;
mod proxy;
mod readers;
mod server;

use std::time::Duration;

/// A time that no wait takes, unless the test fails.
const LONG: Duration = Duration::from_mins(1);

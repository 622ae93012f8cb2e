//! The store in PostgreSQL, on servers that the tests start. Without PostgreSQL, they print why they skip.

mod appends;
mod application;
mod commands;
#[path = "../support/contents.rs"]
mod contents;
mod copies;
mod crashes;
mod failures;
mod followers;
mod hot;
mod laws;
mod leaders;
mod opening;
mod partitions;
mod process_managers;
mod proxy;
#[path = "../follow/reaction_commands.rs"]
mod reaction_commands;
#[path = "../follow/reactions.rs"]
mod reactions;
mod readers;
#[path = "../follow/served_versions.rs"]
mod served_versions;
mod server;
mod soak;
mod standby;
mod support;
mod tasks;
mod tls;
mod transactions;
mod views;

use self::support::account;
use self::support::stores::LONG;

//! The store in PostgreSQL, on servers that the tests start. Without PostgreSQL, they print why they skip.

mod appends;
mod application;
mod commands;
mod crashes;
mod followers;
mod laws;
mod opening;
mod process_managers;
mod proxy;
#[path = "../follow/reaction_commands.rs"]
mod reaction_commands;
#[path = "../follow/reactions.rs"]
mod reactions;
mod readers;
mod server;
mod support;
mod transactions;
mod views;

use self::support::account;
use self::support::stores::LONG;

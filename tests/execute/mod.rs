//! Commands: what a repository decides, caches and stores.

mod any_commands;
mod commands;
pub(crate) mod concurrency;
mod given_when_then;
mod hot_aggregates;
mod idempotency;
mod keys_of_other_commands;
mod lossy;
mod panics;
mod restored;
mod snapshots;
mod turns;
mod uncommitted;
mod units_of_work;
mod validation;

//! Commands: what a repository decides, remembers and stores.

mod any_commands;
mod commands;
mod concurrency;
mod given_when_then;
mod hot_aggregates;
mod idempotency;
mod reviewed;
mod snapshots;
mod units_of_work;

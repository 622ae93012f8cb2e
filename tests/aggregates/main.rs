//! Annotated structs through macros, repository and stores: what a user of the whole sees.

mod bad_events;
mod cache;
mod concurrency;
mod domain;
mod execution;
mod following;
mod given;
mod idempotency;
mod killed;
mod locked;
mod metadata;
mod parallel;
mod past;
mod projections;
mod properties;
mod reactions;
mod rebuilds;
mod retired;
mod reviewed;
mod shapes;
mod snapshots;
mod subscriptions;
mod units_of_work;
mod versions;

//! What users of the library rely on: one folder for each area.
//!
//! | a test of | is in |
//! |---|---|
//! | applications: routing, starting, stopping, commands by name, views in memory that follow, models | `application` |
//! | ids, event schemas, handlers, metadata | `domain` |
//! | commands, conflicts, hot aggregates, snapshots, idempotency keys, batches, units of work, given/when/then | `execute` |
//! | `load_at`, the history | `past` |
//! | event versions, retired events, `events.lock`, events that can't be read | `versions` |
//! | projections, rebuilds, workers, dead letters, reactions, subscriptions | `follow` |
//! | stores: the laws, bad files and rows, schema versions, group commit, maintenance | `store` |
//! | processes of the domain (sagas, process managers), which send commands | `process_managers` |
//! | several processes of the system on one file, crashes of the store | `processes` |
//! | code that the tests share | `support` |
//!
//! Programs that do not compile, and their messages, are in `compile`, a test program of its own.

mod application;
mod domain;
mod execute;
mod follow;
mod past;
mod process_managers;
mod processes;
mod store;
mod support;
mod versions;

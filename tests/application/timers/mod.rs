//! Timers without a process: commands that an application sends at a time.

mod alone;
mod files;
pub(crate) mod kills;
mod tenants;
pub(super) mod tower;
mod with_events;

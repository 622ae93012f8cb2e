//! The tests of timers, on PostgreSQL.

#[path = "../../application/timers/alone.rs"]
mod alone;
#[path = "../../application/timers/kills.rs"]
pub(crate) mod kills;
#[path = "../../application/timers/tower.rs"]
mod tower;
#[path = "../../application/timers/with_events.rs"]
mod with_events;

//! The tests of processes, on PostgreSQL.

#[path = "../process_managers/circles.rs"]
mod circles;
#[path = "../process_managers/dead_letters.rs"]
mod dead_letters;
#[path = "../process_managers/ids.rs"]
mod ids;
#[path = "../process_managers/kills.rs"]
pub(crate) mod kills;
#[path = "../process_managers/late_senders.rs"]
mod late_senders;
#[path = "../process_managers/rebuilds.rs"]
mod rebuilds;
#[path = "../process_managers/removals.rs"]
mod removals;
#[path = "../process_managers/running.rs"]
mod running;
#[path = "../process_managers/steps.rs"]
mod steps;
#[path = "../process_managers/time_outs.rs"]
mod time_outs;
#[path = "../process_managers/versions.rs"]
mod versions;

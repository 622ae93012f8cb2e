//! Processes: events in, commands out, with a memory and a clock.

mod chains;
mod circles;
mod dead_letters;
mod ids;
mod indexes;
pub(crate) mod kills;
mod late_senders;
mod outages;
mod rebuilds;
mod removals;
mod running;
mod steps;
mod time_outs;
mod versions;
mod without_a_store;

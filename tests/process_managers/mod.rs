//! Processes: events in, commands out, with a memory and a clock.

mod dead_letters;
pub(crate) mod kills;
mod rebuilds;
mod running;
mod steps;
mod time_outs;
mod versions;
mod without_a_store;

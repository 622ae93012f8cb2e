//! What reads the events of a store as they come: projections, reactions and subscriptions.

mod dead_letters;
mod inline;
pub(crate) mod kills;
mod projections;
mod reactions;
mod rebuilds;
mod runners;
mod subscriptions;
mod workers;

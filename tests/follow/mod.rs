//! What reads the events of a store as they come: projections, reactions and subscriptions.

mod following;
mod kills;
mod projections;
mod reactions;
mod rebuilds;
mod subscriptions;
mod workers;

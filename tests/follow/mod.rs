//! Readers of a store's events: projections, reactions and subscriptions.

mod checkpoints;
mod dead_letters;
mod deferred_keys;
mod deployments;
mod hostile;
mod inline;
pub(crate) mod kills;
mod outages;
mod parked;
mod projections;
mod reaction_commands;
mod reactions;
mod rebuilds;
mod runners;
mod sequenced;
mod served_versions;
mod shares;
pub(crate) mod sharing;
mod sources;
mod sql_views;
mod state;
mod subscriptions;
mod takeovers;
mod without_a_store;
mod workers;

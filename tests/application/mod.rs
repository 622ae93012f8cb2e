//! Applications: what runs is one struct, and the model of what it is made of.

mod any_command;
mod by_name;
mod event_hooks;
mod followers;
mod hooks;
mod memory_views;
mod model;
mod own_commands;
mod reactions;
mod routing;
mod seen_by;
pub(crate) mod shop;
mod stops;
pub(crate) mod tenants;
pub(crate) mod timers;

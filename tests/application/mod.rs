//! Applications: what runs is one struct, and the model of what it is made of.

mod any_command;
mod by_name;
mod followers;
mod memory_views;
mod model;
mod routing;
mod seen_by;
mod shop;
mod stops;
pub(crate) mod tenants;

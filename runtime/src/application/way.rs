//! The way of a command to its aggregate, whose type generated code finds.

use crate::application::hook::CommandOrigin;
use crate::application::hooks::Hooks;

/// The repositories of an application, and what a command meets before it reaches one.
pub struct Way<'a, Aggregates> {
    pub(crate) all: &'a Aggregates,
    pub(crate) hooks: &'a Hooks,
    pub(crate) origin: CommandOrigin,
}

//! The way of a command to its aggregate, whose type generated code finds.

use std::sync::Arc;

use crate::application::hook::CommandOrigin;
use crate::application::hooks::Hooks;

/// The repositories of an application, and what a command meets before it reaches one.
pub struct Way<'a, Aggregates> {
    pub(crate) all: &'a Aggregates,
    pub(crate) hooks: &'a Hooks,
    pub(crate) origin: CommandOrigin,
}

/// A [`Way`] that a future can take with it.
pub struct SharedWay<Aggregates> {
    pub(crate) all: Arc<Aggregates>,
    pub(crate) hooks: Hooks,
    pub(crate) origin: CommandOrigin,
}

impl<Aggregates> SharedWay<Aggregates> {
    pub(crate) fn lend(&self) -> Way<'_, Aggregates> {
        Way { all: &self.all, hooks: &self.hooks, origin: self.origin }
    }
}

//! What an application's hooks see of the events of its followers.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain::denied::Denied;
use crate::domain::metadata::Envelope;
use crate::domain::position::Position;
use crate::follow::error::HandlerError;
use crate::follow::handler::{EventHandler, contained};
use crate::store::read::StoredEvent;

/// An event that a handler of a follower gets.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct FollowerEvent<'a> {
    /// The follower's name.
    pub follower: &'static str,
    /// The name that the event is stored under.
    pub name: &'a str,
    /// Where, when and why the event was recorded.
    pub envelope: &'a Envelope<'a>,
    /// Which attempt this is, from 1, as far as this run knows. An instance of a process has one.
    pub attempt: u32,
}

/// Sees each event before and after its handler.
pub(crate) trait WatchEvents: Send + Sync {
    /// Asks hooks, one after the other, until one of them denies. Returns how many let the event pass.
    fn before(&self, event: &FollowerEvent<'_>) -> (usize, Result<(), Denied>);

    /// Reports the outcome to so many of the hooks, the last one first.
    fn after(
        &self,
        asked: usize,
        event: &FollowerEvent<'_>,
        outcome: Result<(), &HandlerError>,
        took: Duration,
    );
}

/// The hooks that see the events of a follower, if its application has any.
#[derive(Clone, Default)]
pub(crate) struct EventHooks(Option<Arc<dyn WatchEvents>>);

impl EventHooks {
    pub(crate) fn new(hooks: Arc<dyn WatchEvents>) -> Self {
        Self(Some(hooks))
    }

    /// Whether the follower has hooks. They get the whole envelope, whatever the handlers look at.
    pub(crate) fn are_set(&self) -> bool {
        self.0.is_some()
    }

    /// The hooks, for a step in which the event at a position has failed so many times before.
    pub(crate) fn watch(&self, failed: Position, failures: u32) -> Watch<'_> {
        Watch { hooks: self.0.as_deref(), failed, failures }
    }
}

impl fmt::Debug for EventHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventHooks").field(&self.are_set()).finish()
    }
}

/// The hooks during one step.
#[derive(Clone, Copy)]
pub(crate) struct Watch<'h> {
    hooks: Option<&'h dyn WatchEvents>,
    /// The event that has failed before, and how often.
    failed: Position,
    failures: u32,
}

impl Watch<'_> {
    /// No hooks.
    pub(crate) const NONE: Self = Self { hooks: None, failed: Position::START, failures: 0 };

    /// Whether the follower has hooks.
    pub(crate) fn is_set(self) -> bool {
        self.hooks.is_some()
    }

    /// Calls a handler of `H` with a stored event, between its hooks.
    #[inline]
    pub(crate) fn handle<H: EventHandler>(
        self,
        event: &StoredEvent<'_>,
        handle: impl FnOnce() -> Result<(), HandlerError>,
    ) -> Result<(), HandlerError> {
        match self.hooks {
            Some(_) if !H::passes_over(event) => self.handle_named::<H>(event.name, &event.envelope, handle),
            _ => handle(),
        }
    }

    /// Calls a handler of `H` with an event of this name, between its hooks.
    pub(crate) fn handle_named<H: EventHandler>(
        self,
        name: &str,
        envelope: &Envelope<'_>,
        handle: impl FnOnce() -> Result<(), HandlerError>,
    ) -> Result<(), HandlerError> {
        let Some(hooks) = self.hooks else { return handle() };
        let attempt = if envelope.position == self.failed { self.failures.saturating_add(1) } else { 1 };
        let event = FollowerEvent { follower: H::NAME, name, envelope, attempt };
        let begun = Instant::now();
        let (asked, answer) = hooks.before(&event);
        let handled = match answer {
            Ok(()) => contained(handle),
            Err(denied) => Err(HandlerError::Handler(Box::new(denied))),
        };
        hooks.after(asked, &event, handled.as_ref().copied(), begun.elapsed());
        handled
    }
}

//! Inline views: when appends go on without one, and what a program learns about it.

use std::sync::Arc;

use crate::domain::error::with_causes;
use crate::domain::position::Position;
use crate::domain::standard_error::report;
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::FollowError;
use crate::follow::event_hooks::EventHooks;
use crate::follow::projection::Projection;
use crate::store::error::StoreError;
use crate::store::written::Written;

/// What an inline projection does after a newer program has made the view, by a newer version of the
/// projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnNewerVersion {
    /// The projection stops, and appends go on without it. The newer program keeps the view up to date.
    #[default]
    StopView,
    /// Appends of events that the view reads fail with [`FollowError::OtherVersion`]. The view is current after
    /// each append, and this program has to end.
    FailAppends,
}

/// An inline view of a store: how far it is, and why it is not current if so.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InlineView {
    /// The projection's name.
    pub name: &'static str,
    /// The position up to which the stored view has seen everything; `None` if its checkpoint is gone.
    pub position: Option<Position>,
    /// Why the view is behind: the newest append was stored without it, or it could not catch up with other programs. `None` if it is
    /// current, as far as this program knows.
    pub error: Option<Arc<FollowError>>,
}

/// An inline view as the appends of this program know it, whatever the database.
pub(crate) struct InlineState {
    pub(crate) definition: FollowerDefinition,
    /// What sees the events besides the view.
    pub(crate) hooks: EventHooks,
    on_newer: OnNewerVersion,
    /// Why the newest append was stored without the view.
    trouble: Option<Arc<FollowError>>,
}

impl InlineState {
    pub(crate) fn new<P: Projection>(on_newer: OnNewerVersion, hooks: EventHooks) -> Self {
        let mut definition = FollowerDefinition::of_projection::<P>();
        definition.wants_metadata |= hooks.are_set();
        Self { definition, hooks, on_newer, trouble: None }
    }

    /// Whether appends go on without the view after an error that none of their own events has caused.
    pub(crate) fn lets_pass(&self, error: &FollowError, written: &Written<'_>) -> bool {
        match error {
            FollowError::Store { source: StoreError::DamagedEvent { .. }, .. } => true,
            // The append has the same trouble.
            FollowError::Store { .. } => false,
            _ if error.position().is_some() => true,
            FollowError::OtherVersion { stored, current, .. }
                if stored > current && self.on_newer == OnNewerVersion::StopView =>
            {
                true
            }
            _ => !written.has(|stream, name| self.definition.reads(stream.category(), name)),
        }
    }

    /// Records why the view is not current, and reports it unless it is known.
    pub(crate) fn fall_behind(&mut self, error: FollowError) {
        let reason = with_causes(&error);
        if self.trouble.as_ref().is_none_or(|known| with_causes(known) != reason) {
            // The program that appends need not ask for the state of its views.
            report(format_args!("the inline view `{}` is behind: {reason}", self.definition.name));
        }
        self.trouble = Some(Arc::new(error));
    }

    /// Forgets why the view was behind.
    pub(crate) fn is_up_to_date(&mut self) {
        if self.trouble.take().is_some() {
            report(format_args!("the inline view `{}` is up to date again", self.definition.name));
        }
    }

    pub(crate) fn trouble(&self) -> Option<&Arc<FollowError>> {
        self.trouble.as_ref()
    }
}

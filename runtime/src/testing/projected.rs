//! Tests of a view without a store: after these events, it looks like that.

use std::fmt::{self, Debug};

use super::check_equal;
use super::happened::{Happened, History};
use crate::domain::error::with_causes;
use crate::domain::time::Timestamp;
use crate::follow::error::ProjectionError;
use crate::follow::handler::Target;
use crate::follow::projection::Projection;
use crate::memory::projection::{Memory, MemoryProjection};
use crate::memory::store::MemoryStore;

/// Begins a test of a view without a store: `view`, after `events`.
///
/// `events` are events that the view lists, or those [`of`](crate::testing::of) an aggregate with an id: one, a
/// tuple, an array, a `Vec`, `()` for none. The view gets each as a store returns it: written as JSON, and read again.
///
/// ```
/// # use factum::prelude::*;
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
/// use factum::testing::project;
///
/// #[derive(Debug, Default, PartialEq, Projection)]
/// #[projection(events(MoneyDeposited, MoneyWithdrawn), from(BankAccount))]
/// struct Total {
///     cents: u64,
/// }
///
/// #[handlers]
/// impl Total {
///     #[project]
///     fn deposited(&mut self, event: &MoneyDeposited) {
///         self.cents += event.cents;
///     }
///
///     #[project]
///     fn withdrawn(&mut self, event: &MoneyWithdrawn) {
///         self.cents -= event.cents;
///     }
/// }
///
/// project(Total::default(), (MoneyDeposited { cents: 50 }, MoneyWithdrawn { cents: 20 }))
///     .then_view(&Total { cents: 30 });
/// ```
///
/// A view in SQLite is made in a database in memory; see `then_rows` of [`Projected`].
///
/// # Panics
///
/// If an event can't be written as JSON.
#[must_use = "end the test with an expectation, such as `.then_view(..)`"]
#[track_caller]
pub fn project<P>(view: P, events: impl Happened<P>) -> Projected<P>
where
    P: Projection,
    P::Target: KeepsView,
{
    let history = History::of(events);
    let (kept, outcome) = P::Target::project(view, &history);
    Projected { kept, count: history.count(), outcome }
}

/// A target whose views `project` can test.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`project` can't test a view in `{Self}`",
    label = "a view in memory, or in SQLite, is tested so"
)]
pub trait KeepsView: Target + Sized {
    /// A view, and where it is.
    type Kept<P: Projection<Target = Self>>;

    /// The view after these events, which no longer counts if there was an error.
    fn project<P: Projection<Target = Self>>(
        view: P,
        history: &History,
    ) -> (Self::Kept<P>, Result<(), ProjectionError>);
}

impl KeepsView for Memory {
    type Kept<P: Projection<Target = Self>> = MemoryProjection<P, MemoryStore>;

    fn project<P: Projection<Target = Self>>(
        view: P,
        history: &History,
    ) -> (Self::Kept<P>, Result<(), ProjectionError>) {
        let store = MemoryStore::new();
        history.store(&store, Timestamp::now());
        let mut projection = MemoryProjection::new(&store, view);
        let outcome = projection.catch_up().map(drop);
        (projection, outcome)
    }
}

/// A view after some events; see [`project`].
///
/// Expectations can be chained. Each panics if it is not met, and compares both sides line by line.
pub struct Projected<P: Projection<Target: KeepsView>> {
    kept: <P::Target as KeepsView>::Kept<P>,
    count: usize,
    outcome: Result<(), ProjectionError>,
}

#[expect(clippy::return_self_not_must_use, reason = "a test may end with any expectation")]
impl<P: Projection<Target: KeepsView>> Projected<P> {
    /// Expects that a handler failed, or that an event could not be read, with an error that `matches`.
    ///
    /// # Panics
    ///
    /// If no handler failed, or with another error.
    #[track_caller]
    pub fn then_error_is(self, matches: impl FnOnce(&ProjectionError) -> bool) -> Self {
        match &self.outcome {
            Ok(()) => panic!("no handler of `{}` failed{}", P::NAME, self.after()),
            Err(error) => assert!(
                matches(error),
                "another error than expected{}:\n  {}",
                self.after(),
                with_causes(error)
            ),
        }
        self
    }

    /// What keeps the view, after all events.
    #[track_caller]
    pub(crate) fn kept(&self) -> &<P::Target as KeepsView>::Kept<P> {
        if let Err(error) = &self.outcome {
            panic!("the view has failed{}:\n  {}", self.after(), with_causes(error));
        }
        &self.kept
    }

    /// How many events the test has given, for messages.
    pub(crate) fn after(&self) -> String {
        format!(" after {} event(s)", self.count)
    }
}

#[expect(clippy::return_self_not_must_use, reason = "a test may end with any expectation")]
impl<P: Projection<Target = Memory>> Projected<P> {
    /// Expects this view.
    ///
    /// # Panics
    ///
    /// If the view is another one, or if a handler failed.
    #[track_caller]
    pub fn then_view(self, expected: &P) -> Self
    where
        P: Debug + PartialEq,
    {
        check_equal(&format!("the view is not the one expected{}", self.after()), expected, self.view());
        self
    }

    /// Expects an answer of the view.
    ///
    /// # Panics
    ///
    /// If it answers otherwise, or if a handler failed.
    #[track_caller]
    pub fn then<T, X>(self, answer: impl FnOnce(&P) -> T, expected: X) -> Self
    where
        T: Debug + PartialEq<X>,
        X: Debug,
    {
        let found = answer(self.view());
        check_equal(&format!("the view does not answer as expected{}", self.after()), &expected, &found);
        self
    }

    /// The view, for all other checks of a test.
    ///
    /// # Panics
    ///
    /// If a handler failed.
    #[track_caller]
    pub fn view(&self) -> &P {
        self.kept().view()
    }
}

impl<P: Projection<Target: KeepsView>> Debug for Projected<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Projected");
        fields.field("view", &P::NAME).field("count", &self.count).field("outcome", &self.outcome);
        fields.finish_non_exhaustive()
    }
}

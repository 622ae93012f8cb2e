//! Tests of a reaction without a store: after these events, it has done that.

use std::fmt::{self, Debug};
use std::ops::ControlFlow;

use super::check_equal;
use super::happened::{Happened, History};
use crate::domain::error::with_causes;
use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::FollowError;
use crate::follow::handler::contained;
use crate::follow::reaction::{Delivery, Reaction};
use crate::memory::store::MemoryStore;
use crate::store::event_store::EventStore;
use crate::store::partition::Partition;

/// Begins a test of a reaction without a store: `reaction` gets `events`, each once.
///
/// `events` are events that the reaction lists, or those [`of`](crate::testing::of) an aggregate with an id: one, a
/// tuple, an array, a `Vec`. The reaction gets each as a store returns it, with a [`Delivery`].
///
/// ```
/// # use factum::prelude::*;
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
/// use factum::testing::react;
///
/// /// Sends a letter to each new owner, once.
/// #[derive(Default, Reaction)]
/// #[reaction(events(AccountOpened), from(BankAccount))]
/// struct Welcome {
///     sent: std::collections::BTreeMap<String, String>,
/// }
///
/// #[handlers]
/// impl Welcome {
///     #[react]
///     fn opened(&mut self, event: &AccountOpened, delivery: &Delivery) {
///         self.sent.insert(delivery.idempotency_key(), format!("Dear {}", event.owner));
///     }
/// }
///
/// react(Welcome::default(), AccountOpened { owner: "Alice".into() })
///     .again()
///     .then(|welcome| welcome.sent.values().cloned().collect::<Vec<_>>(), ["Dear Alice"]);
/// ```
///
/// # Panics
///
/// If an event can't be written as JSON.
#[must_use = "end the test with an expectation, such as `.then(..)`"]
#[track_caller]
pub fn react<R: Reaction>(reaction: R, events: impl Happened<R>) -> Reacted<R> {
    let history = History::of(events);
    let store = MemoryStore::new();
    history.store(&store, Timestamp::now());
    Reacted { reaction, store, count: history.count(), deliveries: 0, outcome: Ok(()) }.again()
}

/// A reaction that has got some events; see [`react`].
///
/// Expectations can be chained. Each panics if it is not met, and compares both sides line by line.
pub struct Reacted<R> {
    reaction: R,
    store: MemoryStore,
    count: usize,
    deliveries: u32,
    outcome: Result<(), FollowError>,
}

#[expect(clippy::return_self_not_must_use, reason = "a test may end with any expectation")]
impl<R: Reaction> Reacted<R> {
    /// Hands all events over once more, as a runner does that was killed before it could record them. An effect
    /// that must happen once has to happen once after this, too.
    ///
    /// The deliveries have the idempotency keys that they had, and the number of the next attempt.
    pub fn again(mut self) -> Self {
        self.deliveries += 1;
        self.outcome = self.deliver();
        self
    }

    fn deliver(&mut self) -> Result<(), FollowError> {
        let Self { reaction, store, deliveries, .. } = self;
        let definition = FollowerDefinition::of_reaction::<R>();
        let names = definition.stored_names();
        let mut outcome = Ok(());
        let filter = definition.filter(&names, Partition::WHOLE);
        let read = store.read_all(filter, Position::START, usize::MAX, &mut |event| {
            let delivery = Delivery::new(R::NAME, &event.envelope, *deliveries);
            match contained(|| reaction.handle_stored(event.name, event, &delivery)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    outcome = Err(FollowError::at(R::NAME, event, error));
                    ControlFlow::Break(())
                }
            }
        });
        read.map_err(FollowError::store(R::NAME))?;
        outcome
    }

    /// Expects an effect of the reaction: what `effect` finds in it, such as the mails that a fake mailer has got.
    ///
    /// # Panics
    ///
    /// If the effect is another one, or if a handler failed.
    #[track_caller]
    pub fn then<T, X>(self, effect: impl FnOnce(&R) -> T, expected: X) -> Self
    where
        T: Debug + PartialEq<X>,
        X: Debug,
    {
        let found = effect(self.reaction());
        check_equal(&format!("the effect is not the one expected{}", self.after()), &expected, &found);
        self
    }

    /// Expects that a handler failed, or that an event could not be read, with an error that `matches`.
    ///
    /// # Panics
    ///
    /// If no handler failed, or with another error.
    #[track_caller]
    pub fn then_error_is(self, matches: impl FnOnce(&FollowError) -> bool) -> Self {
        match &self.outcome {
            Ok(()) => panic!("no handler of `{}` failed{}", R::NAME, self.after()),
            Err(error) => assert!(
                matches(error),
                "another error than expected{}:\n  {}",
                self.after(),
                with_causes(error)
            ),
        }
        self
    }

    /// The reaction, for all other checks of a test.
    ///
    /// # Panics
    ///
    /// If a handler failed.
    #[track_caller]
    pub fn reaction(&self) -> &R {
        if let Err(error) = &self.outcome {
            panic!("the reaction has failed{}:\n  {}", self.after(), with_causes(error));
        }
        &self.reaction
    }

    /// How many events the test has given, for messages.
    fn after(&self) -> String {
        format!(" after {} event(s), delivery {}", self.count, self.deliveries)
    }
}

impl<R: Reaction> Debug for Reacted<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Reacted");
        fields.field("reaction", &R::NAME).field("count", &self.count).field("outcome", &self.outcome);
        fields.finish_non_exhaustive()
    }
}

//! Given what has happened, when a command comes, then this follows.

use std::fmt::{Debug, Write as _};

use super::difference::difference;
use crate::aggregate::Aggregate;
use crate::command::Accepts;
use crate::event::EventSet;
use crate::events::{IntoEvents, list};

/// The aggregate `A` after `events` have happened to it: the beginning of a test without a store.
///
/// `events` is whatever a handler may return: one event, a tuple, an array, a `Vec`, `()` for none.
///
/// ```
/// use factum::prelude::*;
/// use factum::testing::given;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Serialize, Deserialize, Event)] struct Deposited { cents: u64 }
/// # #[derive(Debug, Serialize, Deserialize, Event)] struct Withdrawn { cents: u64 }
/// # #[derive(Debug, Command)] struct Withdraw { #[command(id)] account: String, cents: u64 }
/// # #[derive(Debug, PartialEq)] struct Overdrawn;
/// # #[derive(Debug, Default, Clone, PartialEq, Aggregate)]
/// # #[aggregate(id = String, error = Overdrawn, commands(Withdraw), events(Deposited, Withdrawn))]
/// # struct Account { balance: u64 }
/// # #[handlers] impl Account {
/// #     #[execute] fn withdraw(&self, command: Withdraw) -> Result<Withdrawn, Overdrawn> {
/// #         if command.cents > self.balance { return Err(Overdrawn); }
/// #         Ok(Withdrawn { cents: command.cents })
/// #     }
/// #     #[apply] fn deposited(&mut self, event: &Deposited) { self.balance += event.cents; }
/// #     #[apply] fn withdrawn(&mut self, event: &Withdrawn) { self.balance -= event.cents; }
/// # }
///
/// given::<Account>(Deposited { cents: 50 })
///     .when(Withdraw { account: "alice".into(), cents: 20 })
///     .then(Withdrawn { cents: 20 })
///     .then_state(&Account { balance: 30 });
///
/// given::<Account>(Deposited { cents: 50 })
///     .when(Withdraw { account: "alice".into(), cents: 60 })
///     .then_error(&Overdrawn);
/// ```
#[must_use = "a test goes on with `.when(..)`"]
pub fn given<A: Aggregate>(events: impl IntoEvents<A>) -> Given<A> {
    Given { state: A::initial(), count: 0 }.and(events)
}

/// An aggregate to which something has happened; see [`given`].
#[derive(Debug, Clone)]
pub struct Given<A> {
    state: A,
    count: usize,
}

impl<A: Aggregate> Given<A> {
    /// And then this has happened as well.
    #[must_use = "a test goes on with `.when(..)`"]
    pub fn and(mut self, events: impl IntoEvents<A>) -> Self {
        for event in list(events) {
            self.state.apply(&event);
            self.count += 1;
        }
        self
    }

    /// A command comes.
    #[must_use = "a test ends with `.then(..)` or one of its kin"]
    pub fn when<C>(self, command: C) -> When<A>
    where
        A: Accepts<C>,
        A::Services: Default,
    {
        self.when_with(command, &A::Services::default())
    }

    /// A command comes, and is decided on with these services.
    #[must_use = "a test ends with `.then(..)` or one of its kin"]
    pub fn when_with<C>(self, command: C, services: &A::Services) -> When<A>
    where
        A: Accepts<C>,
    {
        let Self { mut state, count } = self;
        let outcome = state.execute(A::command(command), services);
        if let Ok(events) = &outcome {
            for event in events {
                state.apply(event);
            }
        }
        When { state, count, outcome }
    }

    /// What has happened has led to this state.
    ///
    /// # Panics
    ///
    /// If it has not.
    #[track_caller]
    pub fn then_state(self, expected: &A) -> Self
    where
        A: Debug + PartialEq,
    {
        check_state(expected, &self.state, self.count);
        self
    }
}

/// An aggregate that has decided on a command; see [`given`].
///
/// Expectations can follow one another. Each panics, with both sides line by line, if it is not met.
#[derive(Debug)]
pub struct When<A: Aggregate> {
    state: A,
    count: usize,
    outcome: Result<Vec<A::Event>, A::Error>,
}

impl<A: Aggregate> When<A> {
    /// Exactly these events follow.
    ///
    /// They are compared as they would be stored: name, version and JSON. So the events themselves need no
    /// `PartialEq`, and what serde leaves out does not count.
    ///
    /// # Panics
    ///
    /// If others follow, or the command was refused.
    #[track_caller]
    pub fn then(self, expected: impl IntoEvents<A>) -> Self
    where
        A::Error: Debug,
    {
        let expected = stored(&list(expected));
        match &self.outcome {
            Ok(events) => {
                let found = stored(events);
                assert!(
                    found == expected,
                    "other events followed than expected{}:\n{}",
                    self.after(),
                    difference(&expected, &found)
                );
            }
            Err(error) => panic!(
                "the command was refused{}:\n  {error:?}\nexpected were the events\n{expected}",
                self.after()
            ),
        }
        self
    }

    /// No events follow, and the command was not refused either.
    ///
    /// # Panics
    ///
    /// If some follow, or the command was refused.
    #[track_caller]
    pub fn then_nothing(self) -> Self
    where
        A::Error: Debug,
    {
        self.then(())
    }

    /// The command is refused with this error.
    ///
    /// # Panics
    ///
    /// If it is refused with another, or not refused.
    #[track_caller]
    pub fn then_error(self, expected: &A::Error) -> Self
    where
        A::Error: Debug + PartialEq,
    {
        match &self.outcome {
            Err(found) => assert!(
                found == expected,
                "the command was refused with another error than expected{}:\n{}",
                self.after(),
                difference(&format!("{expected:#?}"), &format!("{found:#?}"))
            ),
            Ok(events) => self.not_refused(events, &format!("{expected:?}")),
        }
        self
    }

    /// The command is refused with an error that `matches`: for errors that can't be compared.
    ///
    /// # Panics
    ///
    /// If it is refused with another, or not refused.
    #[track_caller]
    pub fn then_error_is(self, matches: impl FnOnce(&A::Error) -> bool) -> Self
    where
        A::Error: Debug,
    {
        match &self.outcome {
            Err(found) => {
                assert!(
                    matches(found),
                    "the command was refused with another error than expected{}:\n  {found:?}",
                    self.after()
                );
            }
            Ok(events) => self.not_refused(events, "a refusal"),
        }
        self
    }

    /// The state, with the events that follow applied, is this.
    ///
    /// # Panics
    ///
    /// If it is not.
    #[track_caller]
    pub fn then_state(self, expected: &A) -> Self
    where
        A: Debug + PartialEq,
    {
        let followed = self.outcome.as_ref().map_or(0, Vec::len);
        check_state(expected, &self.state, self.count + followed);
        self
    }

    /// The state after the command, for whatever else a test wants to look at.
    pub fn state(&self) -> &A {
        &self.state
    }

    #[track_caller]
    fn not_refused(&self, events: &[A::Event], expected: &str) {
        panic!(
            "the command was not refused{}; expected was {expected}, what followed is\n{}",
            self.after(),
            if events.is_empty() { "  nothing\n".into() } else { stored(events) }
        );
    }

    /// Where the test stands, for messages.
    fn after(&self) -> String {
        match self.count {
            0 => " (nothing had happened before)".into(),
            1 => " (after 1 event)".into(),
            count => format!(" (after {count} events)"),
        }
    }
}

#[track_caller]
fn check_state<A: Debug + PartialEq>(expected: &A, found: &A, count: usize) {
    assert!(
        found == expected,
        "the state is not the one expected after {count} event(s):\n{}",
        difference(&format!("{expected:#?}"), &format!("{found:#?}"))
    );
}

/// Events as they would be stored, in a form to read.
#[track_caller]
fn stored<E: EventSet>(events: &[E]) -> String {
    let mut text = String::new();
    for event in events {
        let mut json = Vec::new();
        if let Err(error) = event.encode(&mut json) {
            panic!("{error}");
        }
        let json = match serde_json::from_slice::<serde_json::Value>(&json) {
            Ok(value) => format!("{value:#}"),
            Err(error) => panic!("`{}` is stored as what is not JSON: {error}", event.name()),
        };
        let _ = writeln!(text, "{} v{} {json}", event.name(), event.version());
    }
    text
}

//! Tests of an aggregate without a store: given these events, when this command, then those events.

use std::fmt::{Debug, Write as _};

use super::check_equal;
use super::difference::difference;
use crate::domain::accepts::Accepts;
use crate::domain::aggregate::Aggregate;
use crate::domain::command_set::CommandSet as _;
use crate::domain::decision::{IntoEvents, list};
use crate::domain::default_services::DefaultServices;
use crate::domain::error::with_causes;
use crate::domain::event_set::{EventSet, read_back};
use crate::domain::invalid_command::InvalidCommand;

/// Begins a test without a store: the aggregate `A` after `events`.
///
/// `events` is anything that a handler may return: one event, a tuple, an array, a `Vec`, `()` for none. Each
/// event is applied as a store returns it: written as JSON, and read again.
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
///
/// # Panics
///
/// If an event can't be written as JSON, or can't be read again.
#[must_use = "continue the test with `.when(..)`"]
pub fn given<A: Aggregate>(events: impl IntoEvents<A>) -> Given<A> {
    Given { state: A::initial(), count: 0 }.and(events)
}

/// An aggregate after some events; see [`given`].
#[derive(Debug, Clone)]
pub struct Given<A> {
    state: A,
    count: usize,
}

impl<A: Aggregate> Given<A> {
    /// Adds events that happened after the others.
    ///
    /// # Panics
    ///
    /// If an event can't be written as JSON, or can't be read again.
    #[must_use = "continue the test with `.when(..)`"]
    #[track_caller]
    pub fn and(mut self, events: impl IntoEvents<A>) -> Self {
        for event in list(events) {
            self.state.apply(&as_stored(&event));
            self.count += 1;
        }
        self
    }

    /// Decides on a command, with the default services.
    #[must_use = "end the test with an expectation, such as `.then(..)`"]
    pub fn when<C>(self, command: C) -> When<A>
    where
        A: Accepts<C>,
        A::Services: DefaultServices<A>,
    {
        self.when_with(command, &A::Services::default_services())
    }

    /// Decides on a command, with these services.
    #[must_use = "end the test with an expectation, such as `.then(..)`"]
    pub fn when_with<C>(self, command: C, services: &A::Services) -> When<A>
    where
        A: Accepts<C>,
    {
        let Self { mut state, count } = self;
        let command = A::command(command);
        let outcome = match command.validate() {
            Ok(()) => state.execute(command, services).map_err(Failure::Refused),
            Err(invalid) => Err(Failure::Invalid(invalid)),
        };
        let outcome = outcome.map(|events| events.iter().map(as_stored).collect::<Vec<_>>());
        for event in outcome.iter().flatten() {
            state.apply(event);
        }
        When { state, count, outcome }
    }

    /// Expects that the events led to this state.
    ///
    /// # Panics
    ///
    /// If the state is another one.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "a test may end with any expectation")]
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
/// Expectations can be chained. Each panics if it is not met, and compares both sides line by line.
#[derive(Debug)]
pub struct When<A: Aggregate> {
    state: A,
    count: usize,
    outcome: Result<Vec<A::Event>, Failure<A::Error>>,
}

/// Why a command led to nothing.
#[derive(Debug)]
enum Failure<E> {
    Invalid(InvalidCommand),
    Refused(E),
}

#[expect(clippy::return_self_not_must_use, reason = "a test may end with any expectation")]
impl<A: Aggregate> When<A> {
    /// Expects exactly these events.
    ///
    /// The events are compared as they would be stored: name, event version and JSON. So they need no
    /// `PartialEq`, and fields that serde skips do not count.
    ///
    /// # Panics
    ///
    /// If the command led to other events, or was refused.
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
                    "the events are not the ones expected{}:\n{}",
                    self.after(),
                    difference(&expected, &found)
                );
            }
            Err(failure) => self.failed(failure, &format!("the events\n{expected}")),
        }
        self
    }

    /// Expects that the command led to no events, and was not refused.
    ///
    /// # Panics
    ///
    /// If the command led to events, or was refused.
    #[track_caller]
    pub fn then_nothing(self) -> Self
    where
        A::Error: Debug,
    {
        self.then(())
    }

    /// Expects that the command was refused with this error.
    ///
    /// # Panics
    ///
    /// If the command was refused with another error, or not refused.
    #[track_caller]
    pub fn then_error(self, expected: &A::Error) -> Self
    where
        A::Error: Debug + PartialEq,
    {
        match &self.outcome {
            Err(Failure::Refused(found)) => assert!(
                found == expected,
                "the command was refused with another error than expected{}:\n{}",
                self.after(),
                difference(&format!("{expected:#?}"), &format!("{found:#?}"))
            ),
            Err(invalid) => self.failed(invalid, &format!("the refusal {expected:?}")),
            Ok(events) => self.not_refused(events, &format!("{expected:?}")),
        }
        self
    }

    /// Expects that the command was refused with an error that `matches`, for errors without `PartialEq`.
    ///
    /// # Panics
    ///
    /// If the command was refused with another error, or not refused.
    #[track_caller]
    pub fn then_error_is(self, matches: impl FnOnce(&A::Error) -> bool) -> Self
    where
        A::Error: Debug,
    {
        match &self.outcome {
            Err(Failure::Refused(found)) => {
                assert!(
                    matches(found),
                    "the command was refused with another error than expected{}:\n  {found:?}",
                    self.after()
                );
            }
            Err(invalid) => self.failed(invalid, "a refusal"),
            Ok(events) => self.not_refused(events, "a refusal"),
        }
        self
    }

    /// Expects that the command is invalid, as a check of this field has failed; with `None`, as one of the whole command has.
    ///
    /// ```
    /// use factum::prelude::*;
    /// use factum::testing::given;
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Debug, Serialize, Deserialize, Event)] struct Deposited { cents: u64 }
    /// # #[derive(Debug, Default, Clone, Aggregate)]
    /// # #[aggregate(id = String, commands(Deposit), events(Deposited))]
    /// # struct Account;
    /// # #[handlers] impl Account {
    /// #     #[execute] fn deposit(&self, command: Deposit) -> Deposited { Deposited { cents: command.cents } }
    /// #     #[apply] fn deposited(&mut self, _: &Deposited) {}
    /// # }
    /// #[derive(Debug, Command)]
    /// struct Deposit {
    ///     #[command(id)]
    ///     account: String,
    ///     #[validate(positive)]
    ///     cents: u64,
    /// }
    ///
    /// fn positive(cents: &u64) -> Result<(), &'static str> {
    ///     if *cents > 0 { Ok(()) } else { Err("must be more than 0") }
    /// }
    ///
    /// given::<Account>(()).when(Deposit { account: "alice".into(), cents: 0 }).then_invalid("cents");
    /// ```
    ///
    /// # Panics
    ///
    /// If the command is valid, or invalid for other reasons only.
    #[track_caller]
    pub fn then_invalid(self, field: impl Into<Option<&'static str>>) -> Self
    where
        A::Error: Debug,
    {
        let field = field.into();
        let expected = match field {
            Some(field) => format!("a failed check of `{field}`"),
            None => "a failed check of the whole command".to_owned(),
        };
        match &self.outcome {
            Err(Failure::Invalid(invalid))
                if invalid.failures.iter().any(|failure| failure.field == field) => {}
            Err(failure) => self.failed(failure, &expected),
            Ok(events) => panic!(
                "the command is valid{}: expected {expected}, found the events\n{}",
                self.after(),
                listed(events)
            ),
        }
        self
    }

    /// Expects this state after the command, with its events applied.
    ///
    /// # Panics
    ///
    /// If the state is another one.
    #[track_caller]
    pub fn then_state(self, expected: &A) -> Self
    where
        A: Debug + PartialEq,
    {
        let followed = self.outcome.as_ref().map_or(0, Vec::len);
        check_state(expected, &self.state, self.count + followed);
        self
    }

    /// The state after the command, for all other checks of a test.
    pub fn state(&self) -> &A {
        &self.state
    }

    /// The events that the command led to, as a store returns them: for other checks, or for a test of a follower.
    ///
    /// ```
    /// # use factum::prelude::*;
    /// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
    /// # use bank::*;
    /// # #[derive(Debug, Default, PartialEq, Projection)]
    /// # #[projection(events(MoneyDeposited), from(BankAccount))]
    /// # struct Total(u64);
    /// # #[handlers]
    /// # impl Total {
    /// #     #[project] fn deposited(&mut self, event: &MoneyDeposited) { self.0 += event.cents; }
    /// # }
    /// use factum::testing::{given, of, project};
    ///
    /// let alice = || AccountId("alice".into());
    /// let deposit = DepositMoney { account: alice(), cents: 50 };
    /// let events = given::<BankAccount>(()).when(deposit).events();
    /// project(Total::default(), of::<BankAccount>(alice(), events)).then_view(&Total(50));
    /// ```
    ///
    /// # Panics
    ///
    /// If the command was invalid, or refused.
    #[track_caller]
    pub fn events(&self) -> Vec<A::Event>
    where
        A::Error: Debug,
    {
        match &self.outcome {
            Ok(events) => events.iter().map(as_stored).collect(),
            Err(failure) => self.failed(failure, "its events"),
        }
    }

    #[track_caller]
    fn failed(&self, failure: &Failure<A::Error>, expected: &str) -> !
    where
        A::Error: Debug,
    {
        let text = match failure {
            Failure::Refused(error) => format!("the command was refused{}:\n  {error:?}", self.after()),
            Failure::Invalid(invalid) => format!("{invalid}{}", self.after()),
        };
        panic!("{text}\nexpected {expected}")
    }

    #[track_caller]
    fn not_refused(&self, events: &[A::Event], expected: &str) {
        panic!(
            "the command was not refused{}: expected {expected}, found the events\n{}",
            self.after(),
            listed(events)
        );
    }

    /// How many events came before the command, for messages.
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
    check_equal(&format!("the state is not the one expected after {count} event(s)"), expected, found);
}

/// The event as a store returns it.
#[track_caller]
fn as_stored<E: EventSet>(event: &E) -> E {
    match read_back(event, &mut Vec::new()) {
        Ok(event) => event,
        Err(error) => panic!("{}", with_causes(&error)),
    }
}

/// Events in a message, also if there are none.
#[track_caller]
fn listed<E: EventSet>(events: &[E]) -> String {
    if events.is_empty() { "  none\n".into() } else { stored(events) }
}

/// Events as they would be stored, in a readable form.
#[track_caller]
fn stored<E: EventSet>(events: &[E]) -> String {
    let mut text = String::new();
    for event in events {
        let mut json = Vec::new();
        if let Err(error) = event.encode(&mut json) {
            panic!("{}", with_causes(&error));
        }
        let json = match serde_json::from_slice::<serde_json::Value>(&json) {
            Ok(value) => format!("{value:#}"),
            Err(error) => panic!("`{}` is not stored as JSON: {error}", event.name()),
        };
        let _ = writeln!(text, "{} v{} {json}", event.name(), event.event_version());
    }
    text
}

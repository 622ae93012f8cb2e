//! Tests of a process without a store: given these events, when this one, then those commands.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Write as _};
use std::ops::ControlFlow;
use std::time::Duration;

use super::difference::difference;
use super::happened::{Happened, History};
use crate::domain::error::{BoxError, with_causes};
use crate::domain::id::AggregateId;
use crate::domain::metadata::Envelope;
use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::error::HandlerError;
use crate::follow::handler::contained;
use crate::follow::process::actions::{Action, Actions, Due, IntoActions};
use crate::follow::process::circles::TimeoutRows;
use crate::follow::process::turn::{Input, Instance, TakeInput, Turn};
use crate::follow::process::{Process, Refused};
use crate::memory::store::MemoryStore;
use crate::store::event_store::EventStore;
use crate::store::read::Filter;

/// Begins a test without a store: the process `P` after `events`.
///
/// `events` are events that the process lists, or those [`of`](crate::testing::of) an aggregate with an id: one, a
/// tuple, an array, a `Vec`. An event that the test gives without an id happens to an aggregate with the key `1`.
///
/// ```
/// use std::time::Duration;
///
/// use factum::prelude::*;
/// use factum::testing::given_process;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AggregateId)] struct OrderId(String);
/// # #[derive(Debug, Serialize, Deserialize, Event)] struct OrderPlaced { cents: u64 }
/// # #[derive(Debug, Serialize, Deserialize, Event)] struct OrderPaid;
/// # #[derive(Debug, Serialize, Deserialize, Command)] struct ShipOrder(OrderId);
/// # #[derive(Debug, Serialize, Deserialize, Command)] struct CancelOrder(OrderId);
/// # #[derive(Debug, Default, Clone, Aggregate)]
/// # #[aggregate(id = OrderId, commands(ShipOrder, CancelOrder), events(OrderPlaced, OrderPaid))]
/// # struct Order;
/// # #[handlers] impl Order {
/// #     #[execute] fn ship(&self, _: ShipOrder) {}
/// #     #[execute] fn cancel(&self, _: CancelOrder) {}
/// #     #[apply] fn placed(&mut self, _: &OrderPlaced) {}
/// #     #[apply] fn paid(&mut self, _: &OrderPaid) {}
/// # }
///
/// #[derive(Debug, Serialize, Deserialize, Timeout)]
/// struct PaymentOverdue;
///
/// #[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
/// #[process(
///     id = OrderId,
///     starts(OrderPlaced by stream),
///     events(OrderPaid by stream),
///     from(Order),
///     commands(ShipOrder, CancelOrder),
///     timeouts(PaymentOverdue),
/// )]
/// struct Shipping;
///
/// #[handlers]
/// impl Shipping {
///     #[react]
///     fn placed(&self, _: &OrderPlaced) -> After<PaymentOverdue> {
///         After(PaymentOverdue, Duration::from_secs(900))
///     }
///     #[react]
///     fn paid(&self, _: &OrderPaid, id: &OrderId) -> (Cancel<PaymentOverdue>, ShipOrder, Done) {
///         (Cancel::new(), ShipOrder(id.clone()), Done)
///     }
///     #[react]
///     fn overdue(&self, _: &PaymentOverdue, id: &OrderId) -> (CancelOrder, Done) {
///         (CancelOrder(id.clone()), Done)
///     }
/// }
///
/// given_process::<Shipping>(OrderPlaced { cents: 5 }).when(OrderPaid).then_commands(ShipOrder(OrderId("1".into())));
/// given_process::<Shipping>(OrderPlaced { cents: 5 })
///     .after(Duration::from_secs(901))
///     .then_commands(CancelOrder(OrderId("1".into())));
/// ```
///
/// # Panics
///
/// If an event can't be written as JSON, or the process fails.
#[must_use = "continue the test with `.when(..)`"]
#[track_caller]
pub fn given_process<P: Process + Default>(events: impl Happened<P>) -> GivenProcess<P> {
    let mut given = GivenProcess {
        instances: BTreeMap::new(),
        timeouts: BTreeMap::new(),
        actions: Vec::new(),
        now: Timestamp::now(),
        initial: P::default(),
        failed: None,
    };
    given.happen(events);
    given.actions.clear();
    given
}

/// A process in a test; see [`given_process`].
///
/// Expectations can be chained. Each panics if it is not met, and compares both sides line by line.
pub struct GivenProcess<P> {
    /// The states by the instances' ids; `None` for those that are done.
    instances: BTreeMap<String, Option<P>>,
    /// The time-outs that are set, by instance and name.
    timeouts: BTreeMap<(String, &'static str), SetTimeout>,
    /// What the process has done since the last event or time-out.
    actions: Vec<Action>,
    now: Timestamp,
    initial: P,
    failed: Option<String>,
}

#[derive(Debug, Clone)]
struct SetTimeout {
    due: Timestamp,
    version: u32,
    payload: String,
}

#[expect(clippy::return_self_not_must_use, reason = "a test may end with any expectation")]
impl<P: Process> GivenProcess<P> {
    /// Hands further events over.
    ///
    /// # Panics
    ///
    /// If an event can't be written as JSON, or the process fails.
    #[track_caller]
    pub fn when(mut self, events: impl Happened<P>) -> Self {
        self.actions.clear();
        self.happen(events);
        self
    }

    /// Lets time pass. The time-outs that are due by then fire, in order of their times.
    ///
    /// # Panics
    ///
    /// If the process fails.
    #[track_caller]
    pub fn after(mut self, time: Duration) -> Self {
        self.actions.clear();
        self.pass(self.now.after(time));
        self
    }

    /// Lets time pass until `now`, if that is later.
    fn pass(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        let rows = TimeoutRows::default();
        loop {
            let due = self.timeouts.iter().filter(|(_, timeout)| timeout.due <= self.now);
            let first = due.min_by_key(|(_, timeout)| timeout.due).map(|(key, _)| key.clone());
            let Some((instance, name)) = first else { return };
            let Some(timeout) = self.timeouts.remove(&(instance.clone(), name)) else { return };
            if let Err(error) = rows.add(&instance, timeout.due) {
                self.failed.get_or_insert(error);
                return;
            }
            let mut envelope = Envelope::new(Position::START, "", &instance, 0);
            envelope.recorded_at = timeout.due;
            let mut router = self.initial.duplicate();
            self.hand(|turn| router.handle_timeout(name, timeout.version, &timeout.payload, &envelope, turn));
        }
    }

    /// Lets the aggregate refuse a command that the process has sent.
    ///
    /// # Panics
    ///
    /// If the process fails, or there is no running instance.
    #[track_caller]
    pub fn when_refused<C>(mut self, command: &C, refusal: &P::Refusal) -> Self
    where
        P: Refused<C>,
    {
        self.actions.clear();
        let running = self
            .instances
            .iter()
            .rev()
            .find_map(|(id, state)| Some((id.clone(), state.as_ref()?.duplicate())));
        let Some((id, mut state)) = running else { panic!("no instance of `{}` runs", P::NAME) };
        let decided = Self::instance(&id)
            .and_then(|instance| Refused::<C>::refused(&mut state, command, refusal, &instance));
        match decided {
            Ok(actions) => self.act(&id, Some(state), actions, self.now),
            Err(error) => panic!("`{}` failed: {}", P::NAME, with_causes(&*error)),
        }
        self
    }

    /// Expects exactly these commands after the last event, time or refusal. Time-outs do not count.
    ///
    /// The commands are compared as they would be stored: name, version and JSON. So they need no `PartialEq`.
    ///
    /// # Panics
    ///
    /// If the process has sent other commands, or has failed.
    #[track_caller]
    pub fn then_commands(self, expected: impl IntoActions<P>) -> Self {
        let is_command = |action: &&Action| matches!(action, Action::Send { .. });
        let found: Vec<_> = self.actions.iter().filter(is_command).collect();
        let expected = self.listed(expected);
        Self::compare("commands", &shown(expected.iter().filter(is_command)), &shown(found));
        self
    }

    /// Expects exactly these commands and time-outs after the last event, time or refusal.
    ///
    /// # Panics
    ///
    /// If the process has done something else, or has failed.
    #[track_caller]
    pub fn then(self, expected: impl IntoActions<P>) -> Self {
        let expected = self.listed(expected);
        Self::compare("actions", &shown(&expected), &shown(&self.actions));
        self
    }

    /// Expects that the process did nothing after the last event, time or refusal.
    ///
    /// # Panics
    ///
    /// If the process has done something, or has failed.
    #[track_caller]
    pub fn then_nothing(self) -> Self {
        self.then(())
    }

    /// The state of an instance; `None` if it has not begun, or is done.
    ///
    /// # Panics
    ///
    /// If the process has failed.
    #[track_caller]
    pub fn state(&self, id: &P::Id) -> Option<&P> {
        self.check();
        self.instances.get(&*id.to_text())?.as_ref()
    }

    #[track_caller]
    fn happen(&mut self, events: impl Happened<P>) {
        let store = MemoryStore::new();
        History::of(events).store(&store, self.now);
        let mut router = self.initial.duplicate();
        let mut visit = |event: &crate::store::read::StoredEvent<'_>| {
            self.pass(event.envelope.recorded_at);
            self.hand(|turn| router.handle_stored(event.name, event, turn));
            ControlFlow::Continue(())
        };
        if let Err(error) = store.read_all(Filter::new(), Position::START, usize::MAX, &mut visit) {
            panic!("{}", with_causes(&error));
        }
        self.check();
    }

    fn hand(&mut self, hand: impl FnOnce(&Turn<'_, P>) -> Result<(), HandlerError>) {
        let turn = Turn::new(self);
        let handled = contained(|| hand(&turn));
        if let Err(error) = handled {
            self.failed.get_or_insert(with_causes(&error));
        }
    }

    fn instance(id: &str) -> Result<Instance<P::Id>, BoxError> {
        Ok(Instance { id: P::Id::from_text(id)? })
    }

    fn act(&mut self, id: &str, state: Option<P>, Actions(actions): Actions, at: Timestamp) {
        self.instances.insert(id.to_owned(), state);
        for action in &actions {
            match action {
                Action::Send { .. } => {}
                Action::Set { timeout, version, payload, due } => {
                    let due = match *due {
                        Due::After(delay) => at.after(delay),
                        Due::At(time) => time,
                    };
                    let set = SetTimeout { due, version: *version, payload: payload.clone() };
                    self.timeouts.insert((id.to_owned(), timeout), set);
                }
                Action::Cancel { timeout } => drop(self.timeouts.remove(&(id.to_owned(), *timeout))),
                Action::Done => {
                    self.instances.insert(id.to_owned(), None);
                    self.timeouts.retain(|(instance, _), _| instance != id);
                }
            }
        }
        self.actions.extend(actions);
    }

    #[track_caller]
    fn listed(&self, expected: impl IntoActions<P>) -> Vec<Action> {
        self.check();
        let mut actions = Actions::default();
        if let Err(error) = expected.append_to(&mut actions) {
            panic!("{}", with_causes(&*error));
        }
        actions.0
    }

    #[track_caller]
    fn check(&self) {
        if let Some(error) = &self.failed {
            panic!("`{}` failed: {error}", P::NAME);
        }
    }

    #[track_caller]
    fn compare(what: &str, expected: &str, found: &str) {
        assert!(
            found == expected,
            "the {what} of `{}` are not the ones expected:\n{}",
            P::NAME,
            difference(expected, found)
        );
    }
}

impl<P: Process> TakeInput<P> for GivenProcess<P> {
    fn take(
        &mut self,
        instance: String,
        starts: bool,
        input: &dyn Input<P>,
        envelope: &Envelope<'_>,
    ) -> Result<(), BoxError> {
        let mut state = match self.instances.get(&instance) {
            Some(Some(state)) => state.duplicate(),
            None if starts => self.initial.duplicate(),
            Some(None) | None => return Ok(()),
        };
        input.remember(&mut state);
        let actions = input.decide(&mut state, envelope, &Self::instance(&instance)?)?;
        self.act(&instance, Some(state), actions, envelope.recorded_at);
        Ok(())
    }
}

impl<P: Process> Debug for GivenProcess<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("GivenProcess");
        fields.field("process", &P::NAME).field("actions", &self.actions).finish_non_exhaustive()
    }
}

/// Actions in a readable form.
fn shown<'a>(actions: impl IntoIterator<Item = &'a Action>) -> String {
    let mut text = String::new();
    for action in actions {
        let _ = match action {
            Action::Send { command, version, payload, .. } => {
                writeln!(text, "{command} v{version} {payload}")
            }
            Action::Set { timeout, version, payload, due } => {
                writeln!(text, "set {timeout} v{version} {payload} {due:?}")
            }
            Action::Cancel { timeout } => writeln!(text, "cancel {timeout}"),
            Action::Done => writeln!(text, "done"),
        };
    }
    text
}

//! Tests of a reaction without a store: after these events, it has done that.

use std::any::TypeId;
use std::collections::HashSet;
use std::fmt::{self, Debug};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use super::check_equal;
use super::difference::difference;
use super::happened::{Happened, History};
use crate::domain::command::Command;
use crate::domain::error::with_causes;
use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::FollowError;
use crate::follow::given_commands::{Gives, Receiver};
use crate::follow::handler::contained;
use crate::follow::process::routes::CommandRoutes;
use crate::follow::reaction::{Delivery, Reaction};
use crate::memory::store::MemoryStore;
use crate::store::event_store::EventStore;
use crate::store::lock::lock;
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
    let (count, given) = (history.count(), Arc::default());
    Reacted { reaction, store, count, deliveries: 0, given, outcome: Ok(()) }.again()
}

/// A reaction that has got some events; see [`react`].
///
/// Expectations can be chained. Each panics if it is not met, and compares both sides line by line.
pub struct Reacted<R> {
    reaction: R,
    store: MemoryStore,
    count: usize,
    deliveries: u32,
    /// The commands that it has given.
    given: Arc<Mutex<GivenCommands>>,
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
        let Self { reaction, store, deliveries, given, .. } = self;
        let receiver = Arc::clone(given) as Arc<dyn Receiver>;
        let definition = FollowerDefinition::of_reaction::<R>();
        let names = definition.stored_names();
        let mut outcome = Ok(());
        let filter = definition.filter(&names, Partition::WHOLE);
        let read = store.read_all(filter, Position::START, usize::MAX, &mut |event| {
            let delivery = Delivery::new(R::NAME, &event.envelope, *deliveries, Some(&receiver));
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

    /// Expects the commands of type `C` that the reaction has given by [`Delivery::execute`], in order, as `Debug` shows them.
    ///
    /// A command that is given [`again`](Self::again) counts once: its idempotency key is known. No aggregate decides on the
    /// commands, so none is refused.
    ///
    /// ```
    /// # use factum::prelude::*;
    /// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
    /// # use bank::*;
    /// # use factum::testing::{of, react};
    /// # #[derive(Reaction)]
    /// # #[reaction(events(AccountOpened), from(BankAccount), commands(DepositMoney))]
    /// # struct Gift;
    /// # #[handlers]
    /// # impl Gift {
    /// #     #[react]
    /// #     fn opened(&self, _: &AccountOpened, id: &AccountId, delivery: &Delivery<Self>) -> Result<(), BoxError> {
    /// #         Ok(delivery.execute(DepositMoney { account: id.clone(), cents: 5 })?)
    /// #     }
    /// # }
    /// let alice = AccountId("alice".into());
    /// react(Gift, of::<BankAccount>(alice.clone(), AccountOpened { owner: "Alice".into() }))
    ///     .again()
    ///     .then_commands([DepositMoney { account: alice, cents: 5 }]);
    /// ```
    ///
    /// # Panics
    ///
    /// If the commands are others, or if a handler failed.
    #[track_caller]
    pub fn then_commands<C>(self, expected: impl IntoIterator<Item = C>) -> Self
    where
        R: Gives<C>,
        C: Command + 'static,
    {
        self.reaction();
        let expected: Vec<_> = expected.into_iter().map(|command| format!("{command:#?}")).collect();
        let given = lock(&self.given).of::<C>();
        assert!(
            given == expected,
            "`{}` has given other commands `{}`{}:\n{}",
            R::NAME,
            C::NAME,
            self.after(),
            difference(&expected.join("\n"), &given.join("\n"))
        );
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

/// The commands that a reaction has given in a test, each once.
#[derive(Debug, Default)]
struct GivenCommands {
    keys: HashSet<String>,
    commands: Vec<(TypeId, String)>,
}

impl GivenCommands {
    /// The commands of type `C`, as `Debug` shows them.
    fn of<C: 'static>(&self) -> Vec<String> {
        let of_type = self.commands.iter().filter(|(id, _)| *id == TypeId::of::<C>());
        of_type.map(|(_, shown)| shown.clone()).collect()
    }
}

impl Receiver for Mutex<GivenCommands> {
    fn routes(&self) -> Option<&CommandRoutes> {
        None
    }

    fn look_at(&self, command: TypeId, shown: &dyn Debug, key: Option<&str>) {
        let mut given = lock(self);
        // As a store does, the test knows a command that is given again.
        if key.is_none_or(|key| given.keys.insert(key.to_owned())) {
            given.commands.push((command, format!("{shown:#?}")));
        }
    }
}

//! Reactions that give commands to the aggregates of their application.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use factum::follow::{CommandRoutes, FollowError, GiveError};
use factum::prelude::*;
use factum::testing::{of, react};
use factum::with_causes;
use serde::{Deserialize, Serialize};

use super::shop::{LONG, Order, OrderError, OrderId, OrderPlaced, PlaceOrder};

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, AggregateId)]
struct Book(String);

#[derive(Debug, Serialize, Deserialize, Event)]
struct Entered {
    cents: u64,
}

/// It can't be written as JSON, and need not: it goes to its aggregate as it is.
#[derive(Debug, Clone, PartialEq, Command)]
struct Enter {
    #[command(id)]
    book: Book,
    cents: u64,
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("the book is full")]
struct Full;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = Book, error = Full, commands(Enter), events(Entered))]
struct Ledger {
    cents: u64,
}

#[handlers]
impl Ledger {
    #[execute]
    fn enter(&self, command: Enter) -> Result<Entered, Full> {
        if self.cents + command.cents > 1_000 { Err(Full) } else { Ok(Entered { cents: command.cents }) }
    }

    #[apply]
    fn entered(&mut self, event: &Entered) {
        self.cents += event.cents;
    }
}

/// Enters each order into two books, and says when it has failed after that.
#[derive(Default, Reaction)]
#[reaction(events(OrderPlaced), from(Order), commands(Enter, PlaceOrder))]
struct Clerk {
    /// How often it still fails once it has given its commands.
    fails: AtomicU32,
}

#[handlers]
impl Clerk {
    #[react]
    fn placed(
        &self,
        event: &OrderPlaced,
        envelope: &Envelope<'_>,
        delivery: &Delivery<Self>,
    ) -> Result<(), BoxError> {
        let cents = event.cents;
        // Its own orders lead to no others.
        if envelope.key.starts_with("gift") {
            return Ok(());
        }
        delivery.execute(Enter { book: Book("sales".into()), cents })?;
        delivery.execute_for("tax", Enter { book: Book("taxes".into()), cents: cents / 5 })?;
        match delivery.execute(PlaceOrder { order: OrderId("gift".into()), cents: cents / 100 }) {
            Err(error) if matches!(error.refusal(), Some(OrderError::TooSmall { .. })) => {}
            given => given?,
        }
        let failed = self.fails.try_update(Ordering::SeqCst, Ordering::SeqCst, |fails| fails.checked_sub(1));
        if failed.is_ok() { Err("the pen is empty".into()) } else { Ok(()) }
    }
}

#[derive(Application)]
#[application(aggregates(Order, Ledger))]
struct Office {
    #[reaction(retry(3), delay = Duration::from_millis(1))]
    clerk: Clerk,
}

fn place(order: &str, cents: u64) -> PlaceOrder {
    PlaceOrder { order: OrderId(order.into()), cents }
}

#[test]
fn a_reaction_gives_commands_of_its_application_once() {
    let store = SqliteStore::in_memory().unwrap();
    let clerk = Clerk { fails: 2.into() };
    let office = Office { clerk }.start(&store).unwrap();
    let placed = office.execute(place("a", 500)).unwrap();
    office.wait_for_all(placed.position().unwrap(), LONG).unwrap();
    let ledgers = office.repository::<Ledger>();
    for (book, cents) in [("sales", 500), ("taxes", 100)] {
        let mut history = ledgers.history(&Book(book.into())).unwrap();
        let entered = history.next().unwrap().unwrap();
        assert_eq!(ledgers.load(&Book(book.into())).unwrap().state().cents, cents);
        let cause = &placed.events()[0];
        assert_eq!(entered.metadata.causation, Some(cause.id));
        assert_eq!(entered.metadata.correlation, Some(cause.id));
        assert!(history.next().is_none(), "{book} has it twice");
    }
    assert_eq!(office.repository::<Order>().load(&OrderId("gift".into())).unwrap().version(), 1);
}

#[test]
fn a_refusal_is_an_error_of_its_type() {
    let store = SqliteStore::in_memory().unwrap();
    let orders = store.repository::<Order>();
    let ledgers = store.repository::<Ledger>();
    orders.execute(place("a", 2_000)).unwrap();
    let routes = CommandRoutes::new().to(orders).to(ledgers.clone());
    let mut clerk = SqliteReaction::new(&store, Clerk::default()).unwrap().commands(routes);
    let error = clerk.catch_up().unwrap_err();
    assert!(with_causes(&error).ends_with("the book is full"), "{}", with_causes(&error));
    let error = GiveError::<Full>::Execute(ExecuteError::Refused(Full));
    assert_eq!(error.refusal(), Some(&Full));
    assert!(!ledgers.exists(&Book("sales".into())).unwrap());
}

#[test]
fn a_reaction_without_an_application_says_what_it_lacks() {
    let store = SqliteStore::in_memory().unwrap();
    let orders = store.repository::<Order>();
    orders.execute(place("a", 50)).unwrap();
    let mut alone = SqliteReaction::new(&store, Clerk::default()).unwrap();
    let error = with_causes(&alone.catch_up().unwrap_err());
    assert!(
        error.contains("`clerk` can't give the command `enter`: it has no aggregates to give it to"),
        "{error}"
    );
    let mut alone = alone.commands(CommandRoutes::new().to(orders));
    let error = with_causes(&alone.catch_up().unwrap_err());
    assert!(error.contains("its routes have no repository of `ledger`"), "{error}");
}

#[test]
fn a_dead_letter_gives_its_commands_when_it_is_retried() {
    let store = SqliteStore::in_memory().unwrap();
    let (orders, ledgers) = (store.repository::<Order>(), store.repository::<Ledger>());
    orders.execute(place("a", 50)).unwrap();
    let routes = CommandRoutes::new().to(orders).to(ledgers.clone());
    let clerk = SqliteReaction::new(&store, Clerk { fails: 1.into() }).unwrap().commands(routes);
    let clerk = clerk.follow().on_failure(OnFailure::DeadLetter).on_change(|_| {}).start().unwrap();
    let newest = store.position().unwrap();
    clerk.wait_for(newest, LONG).unwrap();
    assert_eq!(clerk.retry_dead_letters().unwrap().succeeded, 1);
    assert_eq!(ledgers.load(&Book("sales".into())).unwrap().version(), 1);
}

#[test]
fn a_test_without_a_store_sees_the_commands() {
    let placed = |order: &str, cents| of::<Order>(OrderId(order.into()), OrderPlaced { cents });
    let enter = |book: &str, cents| Enter { book: Book(book.into()), cents };
    react(Clerk::default(), placed("a", 500))
        .again()
        .then_commands([enter("sales", 500), enter("taxes", 100)])
        .then_commands([place("gift", 5)]);
    react(Clerk::default(), placed("gift-2", 500)).then_commands::<Enter>([]);
    react(Clerk { fails: 9.into() }, placed("a", 500))
        .then_error_is(|error| matches!(error, FollowError::Handler { .. }));
    let wrong = std::panic::catch_unwind(|| {
        react(Clerk::default(), placed("a", 500)).then_commands([enter("sales", 7)]);
    });
    let message = *wrong.unwrap_err().downcast::<String>().unwrap();
    assert!(
        message.starts_with("`clerk` has given other commands `enter` after 1 event(s), delivery 1:"),
        "{message}"
    );
    assert!(message.contains("500") && message.contains('7'), "{message}");
}

#[test]
fn the_model_has_what_a_reaction_gives() {
    let clerk = &Office::MODEL.followers[0];
    assert_eq!(clerk.sends, ["enter", "place-order"]);
    let mermaid = Office::MODEL.mermaid();
    assert!(mermaid.contains("  f0 ==> a1c0\n  f0 ==> a0c0\n"), "{mermaid}");
    assert_eq!(Office::MODEL.json()["followers"][0]["sends"], serde_json::json!(["enter", "place-order"]));
    assert!(Office::MODEL.markdown().contains("| `clerk` | reaction |"));
    assert!(Office::MODEL.markdown().contains("`enter`<br>`place-order`"), "{}", Office::MODEL.markdown());
}

//! Hooks around the events of followers, and around what processes send.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use factum::application::{CarriedOut, FollowerEvent, Hook, Incoming};
use factum::follow::{Activity, Undelivered};
use factum::prelude::*;
use factum::{Position, Uuid, with_causes};

use super::hooks::Log;
use super::shop::{
    Gateway, LONG, Mailer, Order, OrderBoard, Payment, Sales, Ship, TakePayment, Totals, id, place,
};
use crate::support::bounded::wait_until;
use crate::support::shop as fulfilment;

type BeforeEvent = fn(&FollowerEvent<'_>) -> Result<(), BoxError>;
type AfterEvent = fn(&FollowerEvent<'_>);

/// Notes the events that it sees under a name, and then does something.
struct Watching {
    log: Log,
    name: &'static str,
    before: BeforeEvent,
    after: AfterEvent,
}

impl Watching {
    fn new(log: &Log, name: &'static str) -> Self {
        Self { log: log.clone(), name, before: |_| Ok(()), after: |_| {} }
    }
}

impl Hook for Watching {
    fn before_event(&self, event: &FollowerEvent<'_>) -> Result<(), BoxError> {
        let FollowerEvent { follower, name, envelope, attempt, .. } = *event;
        self.log
            .add(format!("{} {follower} before {name} of {}, attempt {attempt}", self.name, envelope.key));
        (self.before)(event)
    }

    fn after_event(
        &self,
        event: &FollowerEvent<'_>,
        outcome: Result<(), &(dyn Error + 'static)>,
        _: Duration,
    ) {
        let outcome = outcome.map_or_else(with_causes, |()| "done".to_owned());
        self.log.add(format!("{} {} after {}: {outcome}", self.name, event.follower, event.name));
        (self.after)(event);
    }
}

/// A follower of each kind.
#[derive(Application)]
#[application(aggregates(Order, Payment))]
struct Watched {
    #[services(Payment)]
    gateway: Gateway,
    #[hook]
    outer: Watching,
    #[hook]
    inner: Watching,
    #[projection(inline)]
    board: OrderBoard,
    #[projection(workers = 2)]
    sales: Sales,
    #[projection]
    totals: Totals,
    #[reaction(retry(1), delay = Duration::from_millis(1), dead_letters)]
    mail: Mailer,
}

fn watched(outer: Watching, inner: Watching) -> (factum::application::Running<Watched, SqliteStore>, Mailer) {
    let (gateway, mail) = (Gateway { limit: 1_000 }, Mailer::default());
    let (board, sales, totals) = (OrderBoard, Sales, Totals::default());
    let shop = Watched { gateway, outer, inner, board, sales, totals, mail: mail.clone() };
    (shop.start(&SqliteStore::in_memory().unwrap()).unwrap(), mail)
}

/// The lines of one follower.
fn of(follower: &str, lines: &[String]) -> Vec<String> {
    let has = |line: &&String| line.split(' ').nth(1) == Some(follower);
    lines.iter().filter(has).map(|line| line.replace(&format!(" {follower}"), "")).collect()
}

#[test]
fn hooks_see_the_events_of_every_follower() {
    let log = Log::default();
    // The envelope is whole, also that of a handler that does not look at it.
    let after: AfterEvent = |event| assert!(!event.envelope.id.is_nil(), "{event:?}");
    let (shop, _) = watched(Watching { after, ..Watching::new(&log, "outer") }, Watching::new(&log, "inner"));
    shop.execute(place("a", 10)).unwrap();
    // An inline view is part of the append, so its hooks have run when the command is done.
    let around = |name: &str| {
        [
            format!("outer before {name} of a, attempt 1"),
            format!("inner before {name} of a, attempt 1"),
            format!("inner after {name}: done"),
            format!("outer after {name}: done"),
        ]
    };
    let mut lines = log.take();
    assert_eq!(of("order-board", &lines), around("order-placed"));
    shop.execute(TakePayment { order: id("a"), cents: 20 }).unwrap();
    let position = shop.execute(Ship(id("a"))).unwrap().position().unwrap();
    shop.wait_for_all(position, LONG).unwrap();
    lines.append(&mut log.take());
    let placed_and_shipped = [around("order-placed"), around("order-shipped")].concat();
    assert_eq!(of("order-board", &lines), placed_and_shipped);
    assert_eq!(of("mailer", &lines), placed_and_shipped);
    assert_eq!(of("totals", &lines), around("order-placed"));
    assert_eq!(of("sales", &lines), around("payment-taken"));
    assert!(shop.hooks().iter().all(|hook| hook.panics == 0), "{:?}", shop.hooks());
}

#[test]
fn a_denied_event_is_one_whose_handler_has_failed() {
    let log = Log::default();
    let deny: BeforeEvent = |event| {
        if event.follower == "mailer" && event.envelope.key == "a" { Err("no mail".into()) } else { Ok(()) }
    };
    let inner = Watching { before: deny, ..Watching::new(&log, "inner") };
    let (shop, mail) = watched(Watching::new(&log, "outer"), inner);
    shop.execute(place("a", 10)).unwrap();
    let position = shop.execute(place("b", 10)).unwrap().position().unwrap();
    shop.wait_for::<Mailer>(position, LONG).unwrap();
    // It is tried again, and becomes a dead letter; its handler has not run.
    assert_eq!(*mail.sent.lock().unwrap(), ["b placed"]);
    let lines = of("mailer", &log.take());
    let denied = |attempt: u32| {
        [
            format!("outer before order-placed of a, attempt {attempt}"),
            format!("inner before order-placed of a, attempt {attempt}"),
            "outer after order-placed: denied by the hook `inner`: no mail".to_owned(),
        ]
    };
    assert_eq!(lines[..6], [denied(1), denied(2)].concat());
    assert_eq!(lines[6], "outer before order-placed of b, attempt 1");
    let letters = SqliteReaction::new(shop.store(), mail).unwrap().dead_letters().unwrap();
    let [letter] = &*letters else { panic!("{letters:?}") };
    assert!(letter.error.ends_with("denied by the hook `inner`: no mail"), "{}", letter.error);
}

#[test]
fn a_hook_sees_an_error_of_the_handler_and_its_retries() {
    let log = Log::default();
    let (shop, _) = watched(Watching::new(&log, "outer"), Watching::new(&log, "inner"));
    // The mailer fails for 13 cents.
    let position = shop.execute(place("a", 13)).unwrap().position().unwrap();
    shop.wait_for::<Mailer>(position, LONG).unwrap();
    let lines = of("mailer", &log.take());
    let failed = |attempt: u32| {
        [
            format!("outer before order-placed of a, attempt {attempt}"),
            format!("inner before order-placed of a, attempt {attempt}"),
            "inner after order-placed: no mail about 13 cents".to_owned(),
            "outer after order-placed: no mail about 13 cents".to_owned(),
        ]
    };
    assert_eq!(lines, [failed(1), failed(2)].concat());
}

#[derive(Application)]
#[application(aggregates(Order))]
struct InMemory {
    #[hook]
    watching: Watching,
    #[projection(retry(2), delay = Duration::from_millis(1))]
    totals: Totals,
}

#[test]
fn a_view_in_memory_tries_a_denied_event_again() {
    let log = Log::default();
    let before: BeforeEvent = |event| if event.attempt < 3 { Err("too early".into()) } else { Ok(()) };
    let watching = Watching { before, ..Watching::new(&log, "hook") };
    let shop = InMemory { watching, totals: Totals::default() }.start(&MemoryStore::new()).unwrap();
    // Another event lies between what the view has seen and what it fails on.
    shop.execute(place("a", 10)).unwrap();
    let position = shop.execute(place("a", 10)).unwrap().position().unwrap();
    shop.wait_for::<Totals>(position, LONG).unwrap();
    assert_eq!(shop.view(|totals: &Totals| totals.orders), Some(2));
    let attempts: Vec<_> = log.take().into_iter().filter(|line| line.contains("before")).collect();
    let of_one = [1, 2, 3].map(|attempt| format!("hook totals before order-placed of a, attempt {attempt}"));
    assert_eq!(attempts, [of_one.clone(), of_one].concat());
}

#[test]
fn an_event_that_a_hook_denies_inline_undoes_the_append() {
    let log = Log::default();
    let before: BeforeEvent = |event| {
        if event.follower == "order-board" { Err("closed".into()) } else { Ok(()) }
    };
    let outer = Watching { before, ..Watching::new(&log, "outer") };
    let (shop, _) = watched(outer, Watching::new(&log, "inner"));
    let error = shop.execute(place("a", 10)).unwrap_err();
    assert!(with_causes(&error).ends_with("denied by the hook `outer`: closed"), "{}", with_causes(&error));
    assert_eq!(shop.store().position().unwrap(), Position::START);
}

#[test]
fn a_panic_around_an_event_is_contained() {
    let log = Log::default();
    let before: BeforeEvent = |event| {
        assert!(event.follower != "mailer" || event.attempt > 1, "before");
        Ok(())
    };
    let after: AfterEvent = |event| assert!(event.follower != "totals", "after");
    let outer = Watching { after, ..Watching::new(&log, "outer") };
    let (shop, mail) = watched(outer, Watching { before, ..Watching::new(&log, "inner") });
    let position = shop.execute(place("a", 10)).unwrap().position().unwrap();
    shop.wait_for_all(position, LONG).unwrap();
    // The reaction has tried again. The view has its event, and no follower has ended.
    assert_eq!(*mail.sent.lock().unwrap(), ["a placed"]);
    assert_eq!(shop.view(|totals: &Totals| totals.orders), Some(1));
    assert!(shop.health().iter().all(|state| state.activity == Activity::Running), "{:?}", shop.health());
    let panics: Vec<_> =
        shop.hooks().into_iter().map(|hook| (hook.hook, hook.panics, hook.last_panic)).collect();
    assert_eq!(
        panics,
        [
            ("outer", 1, Some("after `order-placed`: after".to_owned())),
            ("inner", 1, Some("before `order-placed`: before".to_owned())),
        ]
    );
}

/// Adds a chain to what comes from outside, and notes what is sent.
struct Chains {
    log: Log,
    /// The command that it denies.
    denied: &'static str,
}

const CHAIN: Uuid = Uuid::from_u128(7);

impl Hook for Chains {
    fn before(&self, command: &mut Incoming<'_>) -> Result<(), BoxError> {
        if command.origin() == factum::application::CommandOrigin::Caller {
            command.set_correlation(CHAIN);
        }
        if command.name() == self.denied {
            return Err("not by a process".into());
        }
        Ok(())
    }

    fn after(&self, command: &CarriedOut<'_>) {
        let (name, origin, is_chain) =
            (command.name, command.origin, command.metadata.correlation == Some(CHAIN));
        let (has_key, is_done) = (command.idempotency_key.is_some(), command.outcome.is_ok());
        self.log.add(format!("{name} {origin:?} {is_chain} {has_key} {is_done}"));
    }
}

#[derive(Application)]
#[application(aggregates(fulfilment::Order, fulfilment::Stock, fulfilment::Payment))]
struct Fulfilled {
    #[hook]
    chains: Chains,
    #[hook]
    watching: Watching,
    #[process]
    process: fulfilment::Fulfilment,
}

fn fulfilled(chains: Chains, watching: Watching) -> factum::application::Running<Fulfilled, SqliteStore> {
    let shop = Fulfilled { chains, watching, process: fulfilment::Fulfilment::default() };
    let shop = shop.start(&SqliteStore::in_memory().unwrap()).unwrap();
    shop.execute(fulfilment::AddStock { sku: fulfilment::sku(), quantity: 5 }).unwrap();
    shop
}

fn order(name: &str) -> fulfilment::PlaceOrder {
    fulfilment::PlaceOrder { order: fulfilment::order(name), sku: fulfilment::sku(), cents: 10 }
}

#[test]
fn a_hook_sees_what_a_process_receives_and_sends() {
    let (log, events) = (Log::default(), Log::default());
    let shop = fulfilled(Chains { log: log.clone(), denied: "" }, Watching::new(&events, "hook"));
    shop.execute(order("o")).unwrap();
    let payments = shop.repository::<fulfilment::Payment>();
    wait_until(|| payments.exists(&fulfilment::order("o")).unwrap());
    // What a hook has added to the first command is on all that follows from it.
    let asked = payments.history(&fulfilment::order("o")).unwrap().next().unwrap().unwrap();
    assert_eq!(asked.metadata.correlation, Some(CHAIN));
    let expected = [
        "add-stock Caller true false true",
        "ask-payment Application true true true",
        "place-order Caller true false true",
        "reserve-stock Application true true true",
    ];
    let mut seen = log.take();
    wait_until(|| {
        seen.append(&mut log.take());
        seen.len() >= expected.len()
    });
    // The process may be faster than the hook.
    seen.sort();
    assert_eq!(seen, expected);
    // The process gets two events; the stock that was added is none of its own.
    let received = of("fulfilment", &events.take());
    assert_eq!(
        received,
        [
            "hook before order-placed of o, attempt 1",
            "hook after order-placed: done",
            "hook before stock-reserved of tea, attempt 1",
            "hook after stock-reserved: done",
        ]
    );
}

/// How often a hook was asked about an order that was placed.
static TRIES: AtomicU32 = AtomicU32::new(0);

#[test]
fn a_command_or_an_event_of_a_process_that_is_denied_holds_its_instance() {
    let (log, events) = (Log::default(), Log::default());
    let letters_of = |shop: &factum::application::Running<Fulfilled, SqliteStore>| {
        let instances = shop.instances::<fulfilment::Fulfilment>();
        wait_until(|| !instances.dead_letters().unwrap().is_empty());
        instances.dead_letters().unwrap()
    };
    let chains = Chains { log: log.clone(), denied: "reserve-stock" };
    let shop = fulfilled(chains, Watching::new(&events, "hook"));
    shop.execute(order("o")).unwrap();
    let letters = letters_of(&shop);
    let [letter] = &*letters else { panic!("{letters:?}") };
    assert!(matches!(letter.what, Undelivered::Command { .. }), "{letter:?}");
    assert_eq!((&*letter.instance, &*letter.name), ("o", "reserve-stock"));
    let text = "the command can't be executed: denied by the hook `chains`: not by a process";
    assert_eq!(letter.error, text);
    drop(shop);

    let before: BeforeEvent = |event| match event.name {
        "order-placed" if TRIES.fetch_add(1, Ordering::Relaxed) == 0 => Err("not yet".into()),
        _ => Ok(()),
    };
    let watching = Watching { before, ..Watching::new(&events, "hook") };
    let shop = Arc::new(fulfilled(Chains { log, denied: "" }, watching));
    shop.execute(order("o")).unwrap();
    let letters = letters_of(&shop);
    let [letter] = &*letters else { panic!("{letters:?}") };
    assert!(matches!(letter.what, Undelivered::Event(_)), "{letter:?}");
    assert_eq!(letter.error, "denied by the hook `watching`: not yet");
    // It is handled when the letter is retried.
    assert!(shop.instances::<fulfilment::Fulfilment>().retry(&fulfilment::order("o")).unwrap());
    wait_until(|| shop.repository::<fulfilment::Payment>().exists(&fulfilment::order("o")).unwrap());
}

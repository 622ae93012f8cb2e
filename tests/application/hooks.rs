//! Hooks around the commands of an application.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use factum::application::{ByNameError, CarriedOut, Hook, Incoming, Running};
use factum::follow::HandlerPanicked;
use factum::prelude::*;
use factum::{Uuid, with_causes};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::shop::{Gateway, Order, OrderCommand, Payment, PlaceOrder, Ship, TakePayment, id, place};

/// What hooks have seen, one line each.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(super) fn add(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    /// The lines since the last call.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

type Before = fn(&mut Incoming<'_>) -> Result<(), BoxError>;
type After = fn(&CarriedOut<'_>);

/// Notes what it sees under a name, and then does something.
struct Noted {
    log: Log,
    name: &'static str,
    before: Before,
    after: After,
}

impl Noted {
    fn new(log: &Log, name: &'static str) -> Self {
        Self { log: log.clone(), name, before: |_| Ok(()), after: |_| {} }
    }
}

impl Hook for Noted {
    fn before(&self, command: &mut Incoming<'_>) -> Result<(), BoxError> {
        self.log.add(format!("{} before {}", self.name, command.name()));
        (self.before)(command)
    }

    fn after(&self, command: &CarriedOut<'_>) {
        let outcome = match command.outcome {
            Ok(done) => format!("{:?} at {}, repeated: {}", done.events, done.version, done.repeated),
            Err(failure) => format!("{:?}: {}", failure.kind, failure.text),
        };
        let Self { name, log, .. } = self;
        log.add(format!("{name} after {}, attempts {}: {outcome}", command.name, command.attempts));
        (self.after)(command);
    }
}

#[derive(Application)]
#[application(aggregates(Order, Payment), json)]
struct Shop {
    #[hook]
    first: Noted,
    #[services(Payment)]
    gateway: Gateway,
    #[hook]
    second: Noted,
}

/// A shop with these hooks in its two fields.
fn shop(log: &Log, before: [Before; 2], after: [After; 2]) -> Running<Shop, MemoryStore> {
    let hook =
        |name, index: usize| Noted { before: before[index], after: after[index], ..Noted::new(log, name) };
    Shop { first: hook("first", 0), gateway: Gateway { limit: 1_000 }, second: hook("second", 1) }
        .start(&MemoryStore::new())
        .unwrap()
}

const PASS: Before = |_| Ok(());
const NOTHING: After = |_| {};

#[test]
fn hooks_run_in_the_order_of_the_fields_and_back() {
    let log = Log::default();
    let shop = shop(&log, [PASS; 2], [NOTHING; 2]);
    let key = ExecuteOptions::new().idempotency_key("request 1");
    for repeated in [false, true] {
        shop.execute_with(place("a", 10), &key).unwrap();
        let done = format!("after place-order, attempts 1: [\"order-placed\"] at 1, repeated: {repeated}");
        assert_eq!(
            log.take(),
            [
                "first before place-order".to_owned(),
                "second before place-order".to_owned(),
                format!("second {done}"),
                format!("first {done}"),
            ]
        );
    }
    // A refusal shows itself as text, if it can.
    shop.execute(place("a", 1)).unwrap_err();
    assert_eq!(
        log.take().pop().unwrap(),
        "first after place-order, attempts 1: Refused: an order of 1 cents is too small"
    );
    shop.execute(TakePayment { order: id("a"), cents: 5_000 }).unwrap_err();
    assert_eq!(
        log.take().pop().unwrap(),
        "first after take-payment, attempts 1: Refused: `take-payment` was refused"
    );
    let at_seven = ExecuteOptions::new().expected_version(7);
    shop.execute_with(place("a", 10), &at_seven).unwrap_err();
    let last = log.take().pop().unwrap();
    assert!(last.starts_with("first after place-order, attempts 1: Conflict: "), "{last}");
    shop.execute_with(place("a", 11), &key).unwrap_err();
    let last = log.take().pop().unwrap();
    assert!(last.starts_with("first after place-order, attempts 1: KeyReused: "), "{last}");
}

#[test]
fn the_first_hook_that_denies_ends_it() {
    let log = Log::default();
    let deny: Before = |_| Err("not today".into());
    let shop = shop(&log, [PASS, deny], [NOTHING; 2]);
    let error = shop.execute(place("a", 10)).unwrap_err();
    assert_eq!(with_causes(&error), "denied by the hook `second`: not today");
    match error {
        ExecuteError::Denied(denied) => assert_eq!(denied.hook, "second"),
        other => panic!("{other}"),
    }
    // Only what has let the command pass hears of it.
    let expected = [
        "first before place-order",
        "second before place-order",
        "first after place-order, attempts 0: Denied: denied by the hook `second`: not today",
    ];
    assert_eq!(log.take(), expected);
    assert!(!shop.repository::<Order>().exists(&id("a")).unwrap());

    let options = ExecuteOptions::new().retry(2);
    assert!(matches!(shop.execute_with(place("a", 10), &options), Err(ExecuteError::Denied(_))));
    assert_eq!(log.take(), expected);
    match shop.execute_json("place-order", r#"{"order": "a", "cents": 10}"#) {
        Err(ByNameError::Denied(denied)) => {
            assert_eq!(with_causes(&denied), "denied by the hook `second`: not today");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(log.take(), expected);

    // What goes past the application is not seen.
    shop.repository::<Order>().execute(place("a", 10)).unwrap();
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn a_hook_sees_what_the_command_is() {
    let log = Log::default();
    let look: Before = |command| {
        let cents = command.command::<PlaceOrder>().map(|place| place.cents);
        let is_order = command.command::<OrderCommand>().is_some();
        let text = format!(
            "{} {} {:?} {:?} {cents:?} {is_order} {:?}",
            command.aggregate(),
            command.stream(),
            command.origin(),
            command.idempotency_key(),
            command.metadata().custom_json(),
        );
        Err(text.into())
    };
    let shop = shop(&log, [look, PASS], [NOTHING; 2]);
    let seen = |error: &(dyn std::error::Error + 'static)| error.source().unwrap().to_string();

    let error = shop.execute(place("a", 10)).unwrap_err();
    assert_eq!(seen(&error), "order order/a Caller None Some(10) true None");
    let error = shop.execute(OrderCommand::from(place("a", 11))).unwrap_err();
    assert_eq!(seen(&error), "order order/a Caller None Some(11) true None");
    let error = shop.execute(Ship(id("b"))).unwrap_err();
    assert_eq!(seen(&error), "order order/b Caller None None true None");
    let options = ExecuteOptions::new().idempotency_key("k").custom(&json!({ "user": "alice" })).unwrap();
    let error = shop.execute_json_with("place-order", r#"{"order": "c", "cents": 7}"#, &options).unwrap_err();
    assert_eq!(seen(&error), r#"order order/c Name Some("k") Some(7) true Some("{\"user\":\"alice\"}")"#);
    // A payment's services are in a field, and its refusal has no `Error`.
    let error = shop.execute(TakePayment { order: id("d"), cents: 1 }).unwrap_err();
    let ExecuteError::Denied(denied) = error else { panic!("not denied") };
    assert_eq!(denied.source.to_string(), "payment payment/d Caller None None false None");
    assert_eq!(seen(&denied), denied.source.to_string());
}

#[test]
fn what_a_hook_adds_is_stored_with_the_events() {
    const CHAIN: Uuid = Uuid::from_u128(7);
    let log = Log::default();
    let first: Before = |command| {
        command.set_correlation(CHAIN);
        command.set_causation(Uuid::from_u128(8));
        command.enrich("user", "alice")?;
        Ok(())
    };
    let second: Before = |command| {
        command.enrich("roles", &["admin"])?;
        Ok(())
    };
    let after: After = |command| {
        assert_eq!(command.metadata.correlation, Some(CHAIN));
        assert!(command.metadata.custom_json().unwrap().contains("roles"));
    };
    let shop = shop(&log, [first, second], [after, NOTHING]);
    let metadata = |done: &factum::Executed<Order>| {
        let metadata = &done.events()[0].metadata;
        (metadata.correlation, metadata.causation, metadata.custom::<serde_json::Value>().unwrap().unwrap())
    };
    let done = shop.execute(place("a", 10)).unwrap();
    let expected = json!({ "user": "alice", "roles": ["admin"] });
    assert_eq!(metadata(&done), (Some(CHAIN), Some(Uuid::from_u128(8)), expected));

    // The caller's own stays, also what is carried along from a cause.
    let by_caller = ExecuteOptions::new().custom(&json!({ "request": 1, "user": "?" })).unwrap();
    let expected = json!({ "request": 1, "user": "alice", "roles": ["admin"] });
    let done = shop.execute_with(place("a", 10), &by_caller).unwrap();
    assert_eq!(metadata(&done).2, expected);
    let carried = ExecuteOptions::new().caused_by(&done.events()[0]).carrying_custom();
    assert_eq!(metadata(&shop.execute_with(place("a", 10), &carried).unwrap()).2, expected);
    let again = shop.repository::<Order>().history(&id("a")).unwrap().last().unwrap().unwrap();
    assert_eq!(again.metadata.correlation, Some(CHAIN));
    assert_eq!(shop.hooks().iter().map(|hook| hook.panics).sum::<u64>(), 0, "{:?}", shop.hooks());

    // There is no field in a list.
    let list = ExecuteOptions::new().custom(&[1, 2]).unwrap();
    let error = shop.execute_with(place("a", 10), &list).unwrap_err();
    assert!(matches!(&error, ExecuteError::Denied(denied) if denied.hook == "first"), "{error}");
}

#[test]
fn a_hook_that_panics_is_contained() {
    let log = Log::default();
    let panics: Before = |_| panic!("before");
    let denying = shop(&log, [PASS, panics], [NOTHING; 2]);
    let error = denying.execute(place("a", 10)).unwrap_err();
    let ExecuteError::Denied(denied) = &error else { panic!("{error}") };
    assert_eq!(denied.hook, "second");
    assert_eq!(denied.source.downcast_ref::<HandlerPanicked>().unwrap().message, "before");
    assert_eq!(log.take().len(), 3);
    assert!(!denying.repository::<Order>().exists(&id("a")).unwrap());
    let state = &denying.hooks()[1];
    assert_eq!((state.hook, state.panics), ("second", 1));
    assert_eq!(state.last_panic.as_deref(), Some("before `place-order`: before"));

    // After the command, its outcome stays what it is, and the hooks before it still hear of it.
    let after: After = |_| panic!("after");
    let shop = shop(&log, [PASS; 2], [NOTHING, after]);
    assert_eq!(shop.execute(place("a", 10)).unwrap().version(), 1);
    assert_eq!(
        log.take().pop().unwrap(),
        "first after place-order, attempts 1: [\"order-placed\"] at 1, repeated: false"
    );
    assert!(matches!(shop.execute(place("a", 1)), Err(ExecuteError::Refused(_))));
    let states = shop.hooks();
    assert_eq!((states[0].panics, states[0].last_panic.as_deref()), (0, None));
    assert_eq!((states[1].panics, states[1].last_panic.as_deref()), (2, Some("after `place-order`: after")));
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Counted;

#[derive(Debug, Clone, Command)]
#[validate(Self::is_known)]
struct Count(String);

impl Count {
    fn is_known(&self) -> Result<(), &'static str> {
        if self.0.is_empty() { Err("which counter?") } else { Ok(()) }
    }
}

/// What happens while a counter decides.
#[derive(Clone)]
struct Meanwhile(Arc<dyn Fn() + Send + Sync>);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, services = Meanwhile, commands(Count), events(Counted))]
struct Counter {
    count: u32,
}

#[handlers]
impl Counter {
    #[execute]
    fn count(&self, _: Count, meanwhile: &Meanwhile) -> Counted {
        (meanwhile.0)();
        Counted
    }

    #[apply]
    fn counted(&mut self, _: &Counted) {
        self.count += 1;
    }
}

/// Hooks alone, without followers, and without commands by name.
#[derive(Application)]
#[application(aggregates(Counter))]
struct Counting(#[services(Counter)] Meanwhile, #[hook] Noted);

#[test]
fn attempts_are_counted_and_a_handlers_panic_is_told() {
    let (log, store) = (Log::default(), MemoryStore::new());
    let times = Arc::new(Mutex::new(2));
    let rival = store.repository_with::<Counter>(Meanwhile(Arc::new(|| {})));
    let meanwhile = {
        let times = Arc::clone(&times);
        move || {
            let mut left = times.lock().unwrap();
            if *left > 0 {
                *left -= 1;
                drop(left);
                rival.execute(Count("it".into())).unwrap();
            }
        }
    };
    let counting = Counting(Meanwhile(Arc::new(meanwhile)), Noted::new(&log, "hook")).start(&store).unwrap();
    // The first command loads the state; the second decides on it, and loses.
    let options = ExecuteOptions::new().retry(5);
    let done = counting.execute_with(Count("it".into()), &options).unwrap();
    assert_eq!(done.version(), 3);
    assert_eq!(*times.lock().unwrap(), 0);
    assert_eq!(
        log.take(),
        ["hook before count", "hook after count, attempts 3: [\"counted\"] at 3, repeated: false"]
    );
    // Without retries, the conflict is the answer.
    *times.lock().unwrap() = 100;
    let error = counting.execute(Count("it".into())).unwrap_err();
    assert!(matches!(error, ExecuteError::Conflict(_)), "{error}");
    *times.lock().unwrap() = 0;
    log.take();

    let error = counting.execute(Count(String::new())).unwrap_err();
    assert!(matches!(error, ExecuteError::Invalid(_)), "{error}");
    assert_eq!(log.take(), [""; 0], "hooks see valid commands only");

    let panicking = Counting(Meanwhile(Arc::new(|| panic!("decided badly"))), Noted::new(&log, "hook"));
    let panicking = panicking.start(&store).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| panicking.execute(Count("it".into())))).unwrap_err();
    assert_eq!(*panic.downcast_ref::<&str>().unwrap(), "decided badly");
    assert_eq!(log.take(), ["hook before count", "hook after count, attempts 1: Panicked: decided badly"]);
    assert_eq!(panicking.hooks()[0].hook, "1");
    assert_eq!(panicking.hooks()[0].panics, 0);
}

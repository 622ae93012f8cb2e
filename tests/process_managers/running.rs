//! Processes in the background: what is sent side by side, what is sent again, and how they are stopped.

use std::any::Any;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use factum::follow::{
    Activity, CommandRoutes, Commands, FollowError, ProcessError, RunningFollower, SendError, SentCommand,
};
use factum::prelude::*;
use factum::testing::delegate;
use serde::{Deserialize, Serialize};

use crate::support::bounded::{LONGEST, wait_until};
use crate::support::kept::{KeptProcess, KeptReaction, KeptStore};
use crate::support::shop::{Fulfilment, Order, OrderId, OrderPlaced, Payment, ShipOrder, Shop, Stock, order};
use crate::support::stores::LONG;

/// Passes commands on, after what a test does with each.
struct Between<F> {
    commands: Arc<dyn Commands>,
    before: F,
}

impl<F: Fn(&SentCommand<'_>) -> Result<(), SendError> + Send + Sync> Commands for Between<F> {
    fn send(
        &self,
        command: &SentCommand<'_>,
        refused: &mut dyn FnMut(&dyn Any, &str),
    ) -> Result<(), SendError> {
        (self.before)(command)?;
        self.commands.send(command, refused)
    }
}

fn between(
    shop: &Shop,
    before: impl Fn(&SentCommand<'_>) -> Result<(), SendError> + Send + Sync + 'static,
) -> KeptProcess<Fulfilment> {
    shop.process_with(Arc::new(Between { commands: shop.commands(), before }))
}

#[test]
fn many_orders_are_fulfilled_in_the_background() {
    let shop = Shop::with_stock(100);
    let running = shop.process().follow().start().unwrap();
    for number in 0..100 {
        shop.place(&number.to_string(), 5);
    }
    wait_until(|| (0..100).all(|number| shop.payments.load(&order(&number.to_string())).is_ok()));
    for number in 0..100 {
        shop.pay(&number.to_string());
    }
    wait_until(|| (0..100).all(|number| shop.end_of(&number.to_string()).is_some()));
    drop(running.stop().unwrap());
    for number in 0..100 {
        assert_eq!(shop.end_of(&number.to_string()), Some("shipped"));
        assert_eq!(shop.orders.load(&order(&number.to_string())).unwrap().version(), 2);
    }
}

/// A command that takes its time delays its own instance, and no other.
#[test]
fn instances_do_not_wait_for_each_other() {
    let shop = Shop::with_stock(10);
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let waits = Arc::clone(&gate);
    let process = between(&shop, move |command| {
        if command.key.starts_with("fulfilment/slow/") {
            let open = waits.0.lock().unwrap();
            drop(waits.1.wait_timeout_while(open, LONGEST, |open| !*open).unwrap());
        }
        Ok(())
    });
    let running = process.follow().start().unwrap();
    shop.place("slow", 5);
    for number in 0..9 {
        shop.place(&number.to_string(), 5);
    }
    wait_until(|| (0..9).all(|number| shop.payments.load(&order(&number.to_string())).is_ok()));
    assert!(shop.payments.load(&order("slow")).is_err());
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    wait_until(|| shop.payments.load(&order("slow")).is_ok());
    drop(running.stop().unwrap());
}

/// Opened by the test of the process that waits for it.
static GATE: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(id = OrderId, starts(OrderPlaced by stream), from(Order), commands(ShipOrder unrefused))]
struct Slow;

#[handlers]
impl Slow {
    /// The first event takes longer than a step may, so the second one is that of another step.
    #[react]
    fn placed(&self, event: &OrderPlaced) -> Done {
        if event.cents == 1 {
            std::thread::sleep(Duration::from_millis(50));
        } else {
            let open = GATE.0.lock().unwrap();
            drop(GATE.1.wait_while(open, |open| !*open).unwrap());
        }
        Done
    }
}

/// A process that has much to do says how far it is before it has seen everything.
#[test]
fn a_process_with_more_to_do_says_how_far_it_is() {
    let shop = Shop::with_stock(0);
    shop.place("first", 1);
    let first = shop.store.position().unwrap();
    shop.place("second", 2);
    let process = KeptProcess::new(&shop.store, Slow, shop.commands()).unwrap();
    let running = process.follow().start().unwrap();
    running.wait_for(first, LONG).unwrap();
    assert_eq!(running.position(), first);
    *GATE.0.lock().unwrap() = true;
    GATE.1.notify_all();
    running.wait_for(first.next(), LONG).unwrap();
    drop(running.stop().unwrap());
}

/// A store that does not say which database it has.
#[derive(Clone)]
struct Elsewhere(KeptStore);

impl EventStore for Elsewhere {
    delegate!(
        self => self.0; append, read_stream, read_all, stream_version, position, wait_for, outcome, forget_keys_before
    );
}

/// The outcome of the first attempt is lost, as by a broken connection: the key makes the command happen once. The aggregates are
/// in another database than the process, as far as the process knows.
#[test]
fn a_command_whose_outcome_is_lost_is_sent_again_and_happens_once() {
    let shop = Shop::with_stock(10);
    let store = Elsewhere(shop.store.clone());
    let routes = CommandRoutes::new().to(store.repository::<Order>()).to(store.repository::<Stock>());
    let commands = routes.to(store.repository::<Payment>()).shared();
    let sent = Arc::new(AtomicU32::new(0));
    let (count, once) = (Arc::clone(&sent), Arc::clone(&commands));
    let before = move |command: &SentCommand<'_>| {
        let attempt = count.fetch_add(1, Ordering::SeqCst);
        if attempt.is_multiple_of(2) {
            once.send(command, &mut |_, _| {})?;
            return Err(SendError::Failed("the connection is lost".into()));
        }
        Ok(())
    };
    let process = shop.process_with(Arc::new(Between { commands, before }));
    let running = process.follow().start().unwrap();
    shop.place("a", 5);
    wait_until(|| shop.payments.load(&order("a")).is_ok());
    shop.pay("a");
    wait_until(|| shop.end_of("a").is_some());
    let mut process = running.stop().unwrap();
    let _ = process.catch_up();
    assert!(sent.load(Ordering::SeqCst) >= 6);
    assert_eq!(shop.orders.load(&order("a")).unwrap().version(), 2);
    assert_eq!(shop.payments.load(&order("a")).unwrap().version(), 2);
}

#[test]
fn a_command_that_fails_is_reported_and_sent_again() {
    let shop = Shop::with_stock(10);
    let works = Arc::new(AtomicU32::new(0));
    let is_working = Arc::clone(&works);
    let mut process = between(&shop, move |_| match is_working.load(Ordering::SeqCst) {
        0 | 1 => Err(SendError::Failed("no connection".into())),
        _ => Ok(()),
    });
    shop.place("a", 5);
    let error = process.catch_up().unwrap_err();
    let ProcessError::Follow(FollowError::Send { command, instance, .. }) = &error else { panic!("{error}") };
    assert_eq!((command.as_str(), instance.as_str()), ("reserve-stock", "a"));
    let running = process.follow().on_change(|_| {}).retry(1, Duration::from_millis(1)).start().unwrap();
    wait_until(|| matches!(running.state().activity, Activity::Retrying { .. }));
    works.store(1, Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(20));
    assert!(!running.has_ended());
    works.store(2, Ordering::SeqCst);
    wait_until(|| shop.payments.load(&order("a")).is_ok());
    wait_until(|| running.state().activity == Activity::Running);
    drop(running.stop().unwrap());
}

#[test]
fn a_command_whose_aggregate_panics_holds_its_instance_after_the_retries() {
    let shop = Shop::with_stock(10);
    let attempts = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&attempts);
    let mut process = between(&shop, move |command| {
        let is_broken = command.key.starts_with("fulfilment/a/") && count.fetch_add(1, Ordering::SeqCst) < 4;
        assert!(!is_broken, "a bug");
        Ok(())
    });
    let instances = process.instances();
    shop.place("a", 5);
    shop.place("b", 5);
    // A caller that waits gets the error.
    assert!(matches!(process.catch_up(), Err(ProcessError::Follow(FollowError::Send { .. }))));
    let running = process.follow().on_change(|_| {}).retry(2, Duration::from_millis(1)).start().unwrap();
    wait_until(|| !instances.dead_letters().unwrap().is_empty());
    assert_eq!(attempts.load(Ordering::SeqCst), 4, "one, and one with two retries");
    let letter = &instances.dead_letters().unwrap()[0];
    assert_eq!((letter.instance.as_str(), letter.name.as_str()), ("a", "reserve-stock"));
    assert!(letter.error.ends_with("a bug"), "{}", letter.error);
    wait_until(|| shop.payments.load(&order("b")).is_ok());
    instances.retry(&order("a")).unwrap();
    wait_until(|| shop.payments.load(&order("a")).is_ok());
    drop(running.stop().unwrap());
}

/// Commands that fail for a long time take no place of those of other instances.
#[test]
fn many_instances_whose_commands_fail_delay_no_other() {
    let shop = Shop::with_stock(10);
    let process = between(&shop, |command| {
        let fails = command.key.starts_with("fulfilment/broken-");
        if fails { Err(SendError::Failed("no connection".into())) } else { Ok(()) }
    });
    for number in 0..300 {
        shop.place(&format!("broken-{number}"), 5);
    }
    shop.place("a", 5);
    let running = process.follow().on_change(|_| {}).start().unwrap();
    wait_until(|| shop.payments.load(&order("a")).is_ok());
    drop(running.stop().unwrap());
}

/// A command that is known, and held meanwhile, is none of those that wait.
#[test]
fn a_dead_letter_is_retried_while_commands_of_another_instance_fail() {
    let shop = Shop::with_stock(10);
    let works = Arc::new(AtomicU32::new(0));
    let is_working = Arc::clone(&works);
    let process = between(&shop, move |command| match is_working.load(Ordering::SeqCst) {
        _ if command.key.starts_with("fulfilment/broken/") => Err(SendError::Failed("no connection".into())),
        0 => Err(SendError::Impossible("not yet".into())),
        _ => Ok(()),
    });
    let instances = process.instances();
    let running = process.follow().on_change(|_| {}).start().unwrap();
    shop.place("broken", 5);
    shop.place("a", 5);
    wait_until(|| !instances.dead_letters().unwrap().is_empty());
    wait_until(|| matches!(running.state().activity, Activity::Retrying { .. }));
    shop.sql("UPDATE factum_process_commands SET held = 1 WHERE instance = 'broken'");
    works.store(1, Ordering::SeqCst);
    instances.retry(&order("a")).unwrap();
    wait_until(|| shop.payments.load(&order("a")).is_ok());
    drop(running.stop().unwrap());
}

#[test]
fn another_runner_takes_over() {
    let shop = Shop::with_stock(10);
    let first = shop.process().follow().start().unwrap();
    wait_until(|| first.state().activity == Activity::Running);
    let second = shop.process().follow().lease(Duration::from_millis(200)).start().unwrap();
    shop.place("a", 5);
    wait_until(|| shop.payments.load(&order("a")).is_ok());
    drop(first.stop().unwrap());
    shop.place("b", 5);
    wait_until(|| shop.payments.load(&order("b")).is_ok());
    drop(second.stop().unwrap());
}

#[test]
fn a_dead_letter_is_retried_while_the_process_runs() {
    let shop = Shop::with_stock(10);
    let works = Arc::new(AtomicU32::new(0));
    let is_working = Arc::clone(&works);
    let process = between(&shop, move |_| match is_working.load(Ordering::SeqCst) {
        0 => Err(SendError::Impossible("not yet".into())),
        _ => Ok(()),
    });
    let instances = process.instances();
    let running = process.follow().lease(Duration::from_millis(300)).start().unwrap();
    shop.place("a", 5);
    wait_until(|| !instances.dead_letters().unwrap().is_empty());
    works.store(1, Ordering::SeqCst);
    instances.retry(&order("a")).unwrap();
    wait_until(|| shop.payments.load(&order("a")).is_ok());
    drop(running.stop().unwrap());
}

/// Its dead letters hold instances, and have no positions.
#[test]
fn a_caller_that_asks_for_letters_by_position_gets_an_answer() {
    let shop = Shop::with_stock(1);
    let running = shop.process().follow().start().unwrap();
    assert_eq!(running.dead_letters().unwrap(), []);
    assert_eq!(running.retry_dead_letters().unwrap().succeeded, 0);
    let missing = running.retry_dead_letter(factum::Position::new(1)).unwrap_err();
    assert!(matches!(missing, ProcessError::Follow(FollowError::NoDeadLetter { .. })));
    drop(running.stop().unwrap());
}

#[test]
fn the_name_of_another_follower_is_refused() {
    #[derive(Reaction)]
    #[reaction(name = "fulfilment", from(Order), events(OrderPlaced))]
    struct Other;
    #[handlers]
    impl Other {
        #[react]
        fn placed(&self, _: &OrderPlaced) {}
    }
    let shop = Shop::with_stock(1);
    let _process = shop.process();
    assert!(KeptReaction::new(&shop.store, Other).is_err());
}

/// The process waits for its senders when it ends, so one of them can't wait for the process.
#[test]
fn a_command_that_stops_its_own_process_gets_an_error() {
    let shop = Shop::with_stock(10);
    let running: Arc<Mutex<Option<RunningFollower<KeptProcess<Fulfilment>>>>> = Arc::default();
    let (own, (told, said)) = (Arc::clone(&running), channel());
    let process = between(&shop, move |_| {
        if let Some(own) = own.lock().unwrap().take() {
            told.send(own.stop().map(drop)).unwrap();
        }
        Ok(())
    });
    *running.lock().unwrap() = Some(process.follow().start().unwrap());
    shop.place("a", 5);
    let stopped = said.recv_timeout(Duration::from_secs(30)).expect("the command ends");
    assert!(
        matches!(stopped, Err(ProcessError::Follow(FollowError::OwnRunner { follower: "fulfilment", .. }))),
        "{stopped:?}"
    );
}

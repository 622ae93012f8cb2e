//! Time-outs: when they fire, in which order, and what takes them away.

use std::time::Duration;

use factum::follow::{Happening, HappeningKind};
use factum::prelude::*;
use serde::{Deserialize, Serialize};

use crate::support::bounded::wait_until;
use crate::support::kept::KeptProcess;
use crate::support::shop::{
    CancelOrder, Order, OrderId, OrderPlaced, OrderShipped, Payment, PaymentTaken, ShipOrder, Shop,
    TIME_TO_PAY, order,
};

/// Reminds of each order twice: at a time of its own, and some time after the first reminder.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(
    id = OrderId,
    starts(OrderPlaced by stream),
    events(PaymentTaken by order, OrderShipped by stream),
    from(Order, Payment),
    commands(ShipOrder unrefused, CancelOrder unrefused),
    timeouts(First, Second),
)]
struct Reminders {
    seen: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize, Timeout)]
struct First {
    at: Timestamp,
}

#[derive(Debug, Serialize, Deserialize, Timeout)]
#[timeout(name = "second-reminder", aliases("another-reminder"), version = 2)]
struct Second {
    #[timeout(added(since = 2, default = 7))]
    number: u32,
}

#[handlers]
impl Reminders {
    /// The price says how many seconds after 1970-01-01 the first reminder is due.
    #[react]
    fn placed(&self, event: &OrderPlaced) -> At<First> {
        let at = Timestamp::from_micros(i64::try_from(event.cents).unwrap() * 1_000_000);
        At(First { at }, at)
    }

    #[react]
    fn paid(&self, _: &PaymentTaken) -> After<Second> {
        After(Second { number: 1 }, TIME_TO_PAY)
    }

    #[react]
    fn shipped(&self, _: &OrderShipped) -> Done {
        Done
    }

    #[react]
    fn first(&self, timeout: &First) -> At<Second> {
        At(Second { number: 1 }, Timestamp::from_micros(timeout.at.as_micros() + 1))
    }

    #[react]
    fn second(&self, _: &Second) {}

    #[apply]
    fn has_fired(&mut self, timeout: &First) {
        self.seen.push(timeout.at.to_string());
    }

    #[apply]
    fn has_fired_again(&mut self, timeout: &Second) {
        self.seen.push(timeout.number.to_string());
    }
}

fn reminders(shop: &Shop) -> KeptProcess<Reminders> {
    let process = KeptProcess::new(&shop.store, Reminders::default(), shop.commands()).unwrap();
    process.clock(shop.clock.clone())
}

fn fired(process: &KeptProcess<Reminders>, name: &str) -> Vec<Happening> {
    let mut history = process.instances().history(&order(name)).unwrap();
    history.retain(|entry| entry.kind == HappeningKind::TimedOut);
    history
}

/// Seconds since 1970, so many from now.
fn seconds_from_now(seconds: i64) -> u64 {
    u64::try_from(Timestamp::now().as_micros() / 1_000_000 + seconds).unwrap()
}

#[test]
fn time_outs_fire_in_order_of_their_times() {
    let shop = Shop::with_stock(0);
    let mut process = reminders(&shop);
    for (name, seconds) in [("a", 300), ("b", 100), ("c", 200)] {
        shop.place(name, seconds_from_now(seconds));
    }
    process.catch_up().unwrap();
    assert!(["a", "b", "c"].iter().all(|name| fired(&process, name).is_empty()));
    shop.clock.forward(Duration::from_hours(1));
    process.catch_up().unwrap();
    // The times at which they fired are those of one step: their places in the history tell the order.
    let sql = "SELECT instance || ' ' || name FROM factum_process_history WHERE kind = 2 ORDER BY id";
    let order = shop.sql(sql);
    assert_eq!(
        order,
        ["b first", "b second-reminder", "c first", "c second-reminder", "a first", "a second-reminder"]
    );
}

#[test]
fn a_time_out_in_the_past_fires_at_once() {
    let shop = Shop::with_stock(0);
    let mut process = reminders(&shop);
    shop.place("a", 0);
    process.catch_up().unwrap();
    assert_eq!(fired(&process, "a").len(), 2);
}

#[test]
fn to_set_a_time_out_again_moves_it() {
    let shop = Shop::with_stock(0);
    let mut process = reminders(&shop);
    shop.place("a", seconds_from_now(100));
    shop.place("a", seconds_from_now(4_000));
    process.catch_up().unwrap();
    shop.clock.forward(Duration::from_mins(10));
    process.catch_up().unwrap();
    assert!(fired(&process, "a").is_empty());
    shop.clock.forward(Duration::from_hours(1));
    process.catch_up().unwrap();
    assert_eq!(fired(&process, "a").len(), 2);
}

#[test]
fn to_set_a_time_out_again_moves_one_of_an_earlier_name() {
    let shop = Shop::with_stock(0);
    let mut process = reminders(&shop);
    shop.place("a", seconds_from_now(100_000));
    shop.pay("a");
    process.catch_up().unwrap();
    shop.sql("UPDATE factum_process_timeouts SET name = 'another-reminder' WHERE name = 'second-reminder'");
    shop.pay("a");
    process.catch_up().unwrap();
    shop.clock.forward(TIME_TO_PAY * 2);
    process.catch_up().unwrap();
    assert_eq!(fired(&process, "a").len(), 1);
}

#[test]
fn done_takes_all_time_outs_away() {
    let shop = Shop::with_stock(0);
    let mut process = reminders(&shop);
    shop.place("a", seconds_from_now(100));
    shop.orders.execute(ShipOrder(order("a"))).unwrap();
    // Late events start nothing: the instance has been.
    shop.place("a", seconds_from_now(100));
    process.catch_up().unwrap();
    shop.clock.forward(Duration::from_hours(1));
    process.catch_up().unwrap();
    assert!(fired(&process, "a").is_empty());
    assert_eq!(process.instances().history(&order("a")).unwrap().len(), 3);
}

/// An event of long ago: the time counts from when it was recorded, not from when it is handled.
#[test]
fn after_counts_from_the_time_of_the_event() {
    let shop = Shop::with_stock(0);
    let recorded = Timestamp::from_micros(Timestamp::now().as_micros() - 14 * 60_000_000);
    shop.place("a", seconds_from_now(100_000));
    let at = ExecuteOptions::new().recorded_at(recorded);
    shop.payments.execute_with(crate::support::shop::TakePayment(order("a")), &at).unwrap();
    let mut process = reminders(&shop);
    process.catch_up().unwrap();
    assert!(fired(&process, "a").is_empty());
    shop.clock.forward(Duration::from_secs(61));
    process.catch_up().unwrap();
    assert_eq!(fired(&process, "a")[0].name, "second-reminder");
}

/// What was due before an event was recorded fires before the process gets the event, and not after it.
#[test]
fn events_and_time_outs_keep_their_order_after_a_pause() {
    let shop = Shop::with_stock(2);
    let mut process = shop.process();
    shop.place("early", 10);
    shop.place("late", 10);
    process.catch_up().unwrap();
    drop(process);
    // The process is down while one customer pays in time, and the other does not.
    let pay = |name: &str, after: Duration| {
        let micros = Timestamp::now().as_micros() + i64::try_from(after.as_micros()).unwrap();
        let at = ExecuteOptions::new().recorded_at(Timestamp::from_micros(micros));
        shop.payments.execute_with(crate::support::shop::TakePayment(order(name)), &at).unwrap();
    };
    pay("early", TIME_TO_PAY / 2);
    pay("late", TIME_TO_PAY * 2);
    shop.clock.forward(TIME_TO_PAY * 3);
    shop.process().catch_up().unwrap();
    assert_eq!((shop.end_of("early"), shop.end_of("late")), (Some("shipped"), Some("cancelled")));
}

#[test]
fn a_clock_that_goes_back_delays_a_time_out_and_loses_none() {
    let shop = Shop::with_stock(0);
    let mut process = reminders(&shop);
    shop.place("a", seconds_from_now(100));
    shop.clock.back(Duration::from_hours(1));
    process.catch_up().unwrap();
    shop.clock.forward(Duration::from_mins(30));
    process.catch_up().unwrap();
    assert!(fired(&process, "a").is_empty());
    shop.clock.forward(Duration::from_mins(40));
    process.catch_up().unwrap();
    assert_eq!(fired(&process, "a").len(), 2);
}

#[test]
fn a_time_out_of_an_older_version_is_read() {
    let shop = Shop::with_stock(0);
    let mut process = reminders(&shop);
    shop.place("a", seconds_from_now(100_000));
    shop.pay("a");
    process.catch_up().unwrap();
    shop.sql("UPDATE factum_process_timeouts SET version = 1, payload = '{}' WHERE name = 'second-reminder'");
    shop.clock.forward(TIME_TO_PAY * 2);
    process.catch_up().unwrap();
    let Some(factum::follow::InstanceState::Running(state)) = process.instances().get(&order("a")).unwrap()
    else {
        panic!("not running")
    };
    assert_eq!(state.seen, ["7"]);
}

#[test]
fn a_running_process_fires_when_the_clock_moves() {
    let shop = Shop::with_stock(1);
    let running = shop.process().follow().start().unwrap();
    shop.place("a", 500);
    wait_until(|| shop.payments.load(&order("a")).is_ok());
    shop.clock.forward(2 * TIME_TO_PAY);
    wait_until(|| shop.end_of("a").is_some());
    drop(running.stop().unwrap());
    assert_eq!(shop.end_of("a"), Some("cancelled"));
}

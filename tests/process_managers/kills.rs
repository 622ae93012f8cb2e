//! Programs that are killed while they fulfil orders: each order ends right, and each command happens once.
//!
//! `FACTUM_KILLS=500` makes the test long: so many kills, in files of 100 orders.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use factum::application::Running;
use factum::follow::{Delivery, HappeningKind, InstanceState};
use factum::prelude::*;
use tempfile::TempDir;

use crate::support::job::{Job, say};
use crate::support::kept::{self, KeptReaction, KeptStore};
use crate::support::shop::{
    Fulfilment, Order, Payment, PaymentAsked, Shop, Stock, TIME_TO_PAY, TakePayment, order, sku,
};

/// How often a file's program is killed.
const KILLS_OF_A_FILE: u32 = 10;

/// How long a test waits for its orders.
const LONGEST: Duration = Duration::from_mins(5);

/// What becomes of an order, if there is stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Paid,
    /// Its time to pay passes.
    Unpaid,
    /// The payment is refused.
    TooMuch,
}

fn kind(number: u32) -> Kind {
    [Kind::Paid, Kind::Unpaid, Kind::TooMuch, Kind::Paid][number as usize % 4]
}

#[test]
fn killed_programs_fulfil_each_order_once() {
    let long = std::env::var("FACTUM_KILLS").ok().and_then(|kills| kills.parse().ok());
    let (mut kills, orders) = (long.unwrap_or(4), 100);
    let mut failures = 0;
    while kills > 0 {
        let of_this_file = kills.min(KILLS_OF_A_FILE);
        failures += one_file(of_this_file, orders);
        kills -= of_this_file;
    }
    assert!(failures == 0 || long.is_some(), "no kill has met a program at work");
}

/// Kills the program of one file so often, then lets it end. Returns the kills that came too late.
fn one_file(kills: u32, orders: u32) -> u32 {
    let folder = TempDir::new().unwrap();
    let shop = Shop::open(folder.path());
    let stock = fill(&shop, orders);
    let mut too_late = 0;
    for _ in 0..kills {
        let job = Job::start("fulfil", folder.path());
        let micros = uuid::Uuid::now_v7().as_u128() % 40_000;
        std::thread::sleep(Duration::from_micros(u64::try_from(micros).unwrap()));
        too_late += u32::from(job.kill().contains(&"done".to_owned()));
    }
    let mut job = Job::start("fulfil", folder.path());
    assert_eq!(job.hear().as_deref(), Some("done"));
    drop(job);
    check(&shop, stock, orders);
    u32::from(too_late == kills)
}

/// Places orders. For some there is no stock; returns how much there is.
pub(crate) fn fill(shop: &Shop, orders: u32) -> u32 {
    let stock = orders - orders / 6;
    shop.add_stock(stock);
    for number in 0..orders {
        shop.place(&number.to_string(), if kind(number) == Kind::TooMuch { 5_000 } else { 10 });
    }
    stock
}

pub(crate) fn check(shop: &Shop, stock: u32, orders: u32) {
    let mut process = shop.process();
    process.catch_up().unwrap();
    let instances = process.instances();
    assert_eq!(instances.dead_letters().unwrap(), []);
    let (mut shipped, mut keys) = (0, HashSet::new());
    for number in 0..orders {
        let (name, kind) = (number.to_string(), kind(number));
        let history = instances.history(&order(&name)).unwrap();
        let ended = shop.orders.load(&order(&name)).unwrap();
        assert_eq!((ended.version(), ended.state().ends), (2, 1), "{name}: {history:#?}");
        assert!(matches!(instances.get(&order(&name)).unwrap(), Some(InstanceState::Done(_))), "{name}");
        let payment = shop.payments.load(&order(&name)).map_or((0, 0), |payment| {
            let Payment { asked, taken } = *payment.state();
            assert_eq!(u64::from(asked + taken), payment.version(), "{name}");
            (asked, taken)
        });
        let is_shipped = ended.state().over == Some("shipped");
        let expected = match (kind, is_shipped) {
            (Kind::Paid, true) => vec![(1, 1)],
            (Kind::Unpaid, false) => vec![(1, 0), (0, 0)],
            (Kind::Paid | Kind::TooMuch, false) => vec![(0, 0)],
            (_, true) => panic!("{name} is {kind:?}, and was shipped: {history:#?}"),
        };
        assert!(expected.contains(&payment), "{name}, {kind:?}: {payment:?}, {history:#?}");
        shipped += u32::from(is_shipped);
        for entry in history.iter().filter(|entry| entry.kind == HappeningKind::Sent) {
            assert!(keys.insert(entry.detail.clone()), "{entry:?} is there twice");
        }
    }
    let found = shop.stock.load(&sku()).unwrap();
    assert_eq!(found.state().left, stock - shipped);
    assert_eq!(found.state().reserved.len(), shipped as usize);
    kept::check(&shop.store);
}

/// A customer, who pays what is to be paid.
#[derive(Reaction)]
#[reaction(from(Payment), events(PaymentAsked))]
struct Customer {
    payments: Repository<Payment, KeptStore>,
}

#[handlers]
impl Customer {
    #[react]
    fn asked(&self, _: &PaymentAsked, key: &str, delivery: &Delivery) -> Result<(), BoxError> {
        if kind(key.parse()?) == Kind::Paid {
            self.payments.execute_with(TakePayment(order(key)), &delivery.options())?;
        }
        Ok(())
    }
}

/// The job: fulfils all orders.
pub(crate) fn fulfil(folder: &Path) {
    let shop = Shop::open(folder);
    let customer = Customer { payments: shop.payments.clone() };
    let customer = KeptReaction::new(&shop.store, customer).unwrap().follow().start().unwrap();
    let process = shop.process().follow().on_change(|_| {}).start().unwrap();
    let running = (customer, process);
    wait_for_all(&shop);
    say("done");
    drop(running);
}

/// Waits for all orders that can be paid, then lets the time to pay of the others pass.
pub(crate) fn wait_for_all(shop: &Shop) {
    let orders = shop.numbers();
    let is_over = |number: &u32| shop.end_of(&number.to_string()).is_some();
    let begun = Instant::now();
    let wait = || {
        assert!(begun.elapsed() < LONGEST, "orders are not over");
        std::thread::sleep(Duration::from_millis(1));
    };
    while !orders.iter().filter(|number| kind(**number) != Kind::Unpaid).all(is_over) {
        wait();
    }
    // An order whose stock was reserved late has its time to pay from then on.
    shop.clock.forward(2 * TIME_TO_PAY);
    while !orders.iter().all(is_over) {
        wait();
    }
}

/// A customer of an application.
#[derive(Reaction)]
#[reaction(from(Payment), events(PaymentAsked), commands(TakePayment))]
pub(crate) struct Payer;

#[handlers]
impl Payer {
    #[react]
    fn asked(&self, _: &PaymentAsked, key: &str, delivery: &Delivery<Self>) -> Result<(), BoxError> {
        if kind(key.parse()?) == Kind::Paid {
            delivery.execute(TakePayment(order(key)))?;
        }
        Ok(())
    }
}

#[derive(Application)]
#[application(aggregates(Order, Stock, Payment))]
pub(crate) struct Works {
    #[reaction(dead_letters)]
    payer: Payer,
    #[process]
    fulfilment: Fulfilment,
}

/// Two programs run one application. Whichever is killed, the other one does what is left.
#[test]
fn a_program_ends_the_orders_of_another_one_that_is_killed() {
    const ORDERS: u32 = 40;
    for killed in [0, 1, 0] {
        let folder = TempDir::new().unwrap();
        let shop = Shop::open(folder.path());
        let stock = fill(&shop, ORDERS);
        let mut jobs = vec![Job::start("run", folder.path()), Job::start("run", folder.path())];
        let millis = uuid::Uuid::now_v7().as_u128() % 150;
        std::thread::sleep(Duration::from_millis(u64::try_from(millis).unwrap()));
        jobs.remove(killed).kill();
        assert_eq!(jobs[0].hear().as_deref(), Some("done"));
        drop(jobs);
        check(&shop, stock, ORDERS);
    }
}

/// Starts the application.
pub(crate) fn start(shop: &Shop) -> Running<Works, KeptStore> {
    let works = Works { payer: Payer, fulfilment: Fulfilment::default() };
    works.start_with(&shop.store, shop.clock.clone()).unwrap()
}

/// The job: runs the application until it is killed, and says when all orders are over.
pub(crate) fn run(folder: &Path) {
    let shop = Shop::open(folder);
    let _running = start(&shop);
    wait_for_all(&shop);
    say("done");
    std::thread::sleep(Duration::from_mins(1));
}

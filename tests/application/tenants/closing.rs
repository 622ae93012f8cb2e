//! A tenant is closed when it is idle, and continues when it is opened again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use factum::application::{FollowerOptions, KeepsReactions, TenantError, Tenants};
use factum::follow::{Activity, CommandRoutes, FollowerState, NextRun, OnFailure};
use factum::prelude::*;
use factum::store::StoreError;
use factum::testing::delegate;
use factum::{Position, with_causes};

use super::super::seen_by::{Halting, Slow};
use super::super::shop::{LONG, Mailer, Order, OrderPlaced, OrderShipped, Ship, Totals, id, place};
use super::{Gate, living, open_ones, shops, smalls};
use crate::support::bounded::wait_until;
use crate::support::stores::{doctor, open_store};

#[test]
fn an_idle_tenant_is_closed_and_continues_when_it_is_opened_again() {
    let (folder, mail) = (tempfile::tempdir().unwrap(), Mailer::default());
    let shops = shops(folder.path(), &mail).idle(Duration::ZERO);
    for round in 1..=3 {
        let shop = shops.get("acme").unwrap();
        assert_eq!(shop.name(), "acme");
        let position = shop.execute(place(&format!("order-{round}"), 10)).unwrap().position().unwrap();
        shop.wait_for_all(position, LONG).unwrap();
        assert_eq!(shop.view(|totals: &Totals| totals.orders), Some(round));
        let rows = shop
            .store()
            .query(|board| board.query_row("SELECT count(*) FROM board", (), |row| row.get::<_, u64>(0)));
        assert_eq!(rows.unwrap(), round);
        drop(shop);
        wait_until(|| shops.statistics().open == 0);
        assert_eq!(shops.statistics().closed, round);
    }
    assert_eq!(*mail.sent.lock().unwrap(), ["order-1 placed", "order-2 placed", "order-3 placed"]);
}

#[test]
fn a_tenant_in_use_is_not_closed() {
    let count = Arc::new(AtomicUsize::new(0));
    let tenants = smalls(&count).idle(Duration::ZERO);
    let used = tenants.get("used").unwrap();
    for number in 0..3 {
        // The keeper of idle tenants has run.
        drop(tenants.get("idle").unwrap());
        wait_until(|| tenants.statistics().closed > number);
        assert_eq!(open_ones(&tenants), ["used"]);
    }
    let error = tenants.close("used", Duration::ZERO).unwrap_err();
    assert!(matches!(error, TenantError::InUse { .. }), "{error}");
    used.execute(place("a", 10)).unwrap();
    drop(used);
    wait_until(|| tenants.statistics().open == 0);
    assert_eq!(living(&count), 0);
}

#[test]
fn a_tenant_whose_followers_are_behind_is_not_closed() {
    let slow = Slow::default();
    let (gate, store) = (slow.clone(), MemoryStore::new());
    let tenants = Tenants::new(move |_: &str| {
        Ok(Halting { totals: Totals::default(), slow: gate.clone() }.start(&store)?)
    });
    let tenants = tenants.idle(Duration::ZERO).most_open(1).patience(Duration::ZERO);
    tenants.get("a").unwrap().execute(place("a", 10)).unwrap();
    slow.wait_until_reached();
    let error = tenants.get("b").unwrap_err();
    assert!(matches!(&error, TenantError::Full { .. }), "{error}");
    assert_eq!(open_ones(&tenants), ["a"]);
    slow.open();
    let tenants = tenants.patience(LONG);
    drop(tenants.get("b").unwrap());
    assert_eq!(tenants.statistics().opened, 2);
}

/// A reaction that has ended by an error keeps no tenant open, and the error is reported.
#[test]
fn what_goes_wrong_in_a_close_is_reported() {
    let (folder, mail) = (tempfile::tempdir().unwrap(), Mailer::default());
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&said);
    let shops = shops(folder.path(), &mail).on_error(move |error| {
        heard.lock().unwrap().push(with_causes(error));
        panic!("the hook");
    });
    let shops = shops.idle(Duration::ZERO);
    for round in 1..=2 {
        let shop = shops.get("acme").unwrap();
        let position = match round {
            1 => shop.execute(place("a", 13)).unwrap().position().unwrap(),
            _ => shop.store().position().unwrap(),
        };
        shop.wait_for::<Mailer>(position, LONG).unwrap_err();
        drop(shop);
        wait_until(|| shops.statistics().open == 0 && said.lock().unwrap().len() == round);
        let text = "the tenant `acme` did not close as it should: not stopped as they should: `mailer`: ";
        assert!(said.lock().unwrap().last().unwrap().starts_with(text), "{said:?}");
    }
    let shop = shops.get("acme").unwrap();
    shop.wait_for::<Mailer>(shop.store().position().unwrap(), LONG).unwrap_err();
    drop(shop);
    // The caller gets the error of a close that it asks for. The keeper may have been first.
    if let Err(error) = shops.close("acme", LONG) {
        assert!(matches!(error, TenantError::Close { .. }), "{error}");
    }
    wait_until(|| shops.statistics().open == 0);
    shops.close("acme", LONG).unwrap();
    shops.close("globex", LONG).unwrap();
}

#[test]
fn the_callers_close_waits_for_the_last_use() {
    let count = Arc::new(AtomicUsize::new(0));
    let tenants = smalls(&count);
    let used = tenants.get("a").unwrap();
    thread::scope(|scope| {
        let close = scope.spawn(|| tenants.close("a", LONG));
        used.execute(place("a", 10)).unwrap();
        drop(used);
        close.join().unwrap().unwrap();
    });
    assert_eq!((living(&count), tenants.statistics().open), (0, 0));
}

/// Sends nothing of orders of 13 cents, and waits before it sends that an order was shipped.
#[derive(Reaction)]
#[reaction(events(OrderPlaced, OrderShipped), from(Order))]
struct Waiting {
    gate: Arc<Gate>,
}

#[handlers]
impl Waiting {
    #[react]
    fn placed(&self, _: &OrderPlaced) -> Result<(), BoxError> {
        Err("13 cents".into())
    }

    #[react]
    fn shipped(&self, _: &OrderShipped) {
        self.gate.pass();
    }
}

/// Another process has dealt with the letter that an event waits for. Only the event is left to do.
#[test]
fn an_event_that_no_longer_waits_for_a_dead_letter_is_something_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let (store, gate) = (open_store(&file), Arc::new(Gate::default()));
    let options = FollowerOptions::new().on_failure(OnFailure::SequencedDeadLetter);
    let follower =
        store.react(&store, Waiting { gate: Arc::clone(&gate) }, &options, &CommandRoutes::new()).unwrap();
    let orders = store.repository::<Order>();
    orders.execute(place("a", 13)).unwrap();
    let position = orders.execute(Ship(id("a"))).unwrap().position().unwrap();
    follower.wait_for(position, LONG).unwrap();
    wait_until(|| follower.next_run() == NextRun::WithNextEvent);
    doctor(&file, "DELETE FROM factum_dead_letters WHERE position = 1");
    assert_eq!(follower.next_run(), NextRun::Now);
    gate.open();
    follower.stop_within(LONG).unwrap();
}

/// Is asked before [`Quick`], and waits in its handler.
#[derive(Application)]
#[application(aggregates(Order))]
struct SlowFirst {
    #[projection]
    slow: Slow,
    #[projection]
    quick: Quick,
}

/// Tells how many orders it has seen.
#[derive(Clone, Default, Projection)]
#[projection(events(OrderPlaced), from(Order))]
struct Quick(Arc<AtomicUsize>);

#[handlers]
impl Quick {
    #[project]
    fn placed(&mut self, _: &OrderPlaced) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A store that gets an order when one thread has asked for its position, and asks again.
#[derive(Clone, Default)]
struct Busy {
    store: MemoryStore,
    quick: Quick,
    asks: Arc<Mutex<Option<(ThreadId, usize)>>>,
}

impl EventStore for Busy {
    delegate!(
        self => self.store; append, queue, read_stream, read_all, replay, ends_with, stream_version, wait_for, watch, unwatch,
        outcome, forget_keys_before, categories
    );

    fn position(&self) -> Result<Position, StoreError> {
        let mut asks = self.asks.lock().unwrap();
        let asked =
            asks.as_mut().filter(|(thread, _)| *thread == thread::current().id()).map(|(_, asked)| {
                *asked += 1;
                *asked
            });
        drop(asks);
        if let Some(orders @ 1..=2) = asked.map(|asked| asked - 1) {
            self.store.repository::<Order>().execute(place(&orders.to_string(), 10)).unwrap();
            wait_until(|| living(&self.quick.0) == orders);
            // So that it has told that it has nothing left to do.
            thread::sleep(Duration::from_millis(20));
        }
        self.store.position()
    }
}

/// When the first follower is asked, it has nothing to do. Then an event comes, with which the second one has ended when it is
/// asked.
#[test]
fn a_tenant_that_gets_an_event_while_its_followers_are_asked_is_not_closed() {
    let (slow, store) = (Slow::default(), Busy::default());
    let (gate, of_tenant) = (slow.clone(), store.clone());
    let tenants = Tenants::new(move |_: &str| {
        Ok(SlowFirst { slow: gate.clone(), quick: of_tenant.quick.clone() }.start(&of_tenant)?)
    });
    let tenants = tenants.most_open(1).patience(Duration::ZERO);
    let at_rest = |(_, followers): (String, Vec<FollowerState>)| {
        followers.into_iter().all(|follower| follower.activity == Activity::Running)
    };
    drop(tenants.get("a").unwrap());
    wait_until(|| tenants.health().into_iter().all(at_rest));
    *store.asks.lock().unwrap() = Some((thread::current().id(), 0));
    let error = tenants.get("b").map(drop).unwrap_err();
    assert!(matches!(error, TenantError::Full { .. }), "{error}");
    assert_eq!(open_ones(&tenants), ["a"]);
    slow.open();
}

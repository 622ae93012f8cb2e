//! A closed tenant is opened again when its time-out is due.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use factum::application::{Running, Tenants};
use factum::prelude::*;
use factum::testing::TestClock;
use factum::with_causes;

use super::Gate;
use crate::support::bounded::wait_until;
use crate::support::shop::{
    AddStock, Fulfilment, Order, Payment, PlaceOrder, Shop as Observer, Stock, TIME_TO_PAY, order, sku,
};
use crate::support::stores::{LONG, open_store};

#[derive(Application)]
#[application(aggregates(Order, Stock, Payment))]
struct Shop {
    #[process]
    fulfilment: Fulfilment,
}

fn open(folder: &Path, tenant: &str, clock: &TestClock) -> Result<Running<Shop, SqliteStore>, BoxError> {
    let store = open_store(&folder.join(format!("{tenant}.db")));
    Ok(Shop { fulfilment: Fulfilment::default() }.start_with(&store, clock.clone())?)
}

fn shops(folder: &Path, clock: &TestClock) -> Tenants<Shop, SqliteStore> {
    let (folder, clock) = (folder.to_owned(), clock.clone());
    Tenants::new(move |tenant: &str| open(&folder, tenant, &clock)).idle(Duration::ZERO)
}

fn place(shops: &Tenants<Shop, SqliteStore>, tenant: &str) {
    let shop = shops.get(tenant).unwrap();
    shop.execute(AddStock { sku: sku(), quantity: 1 }).unwrap();
    shop.execute(PlaceOrder { order: order("a"), sku: sku(), cents: 10 }).unwrap();
}

/// Reads a tenant's file without a use of the tenant.
fn is_cancelled(folder: &Path, tenant: &str) -> bool {
    let store = open_store(&folder.join(format!("{tenant}.db")));
    Observer::on(folder, store).end_of("a") == Some("cancelled")
}

/// More tenants than may be open, with all of their work after the command: stock is reserved, the payment is asked for, and
/// the time-out is set before a tenant is closed.
#[test]
fn the_time_outs_of_closed_tenants_fire() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::default());
    let (folder, shops) = (folder.path(), shops(folder.path(), &clock).most_open(2).patience(LONG));
    let tenants: Vec<_> = (0..6).map(|number| format!("tenant-{number}")).collect();
    for tenant in &tenants {
        place(&shops, tenant);
    }
    wait_until(|| shops.statistics().open == 0);
    assert_eq!(shops.statistics().due_later, 6);
    assert!(!tenants.iter().any(|tenant| is_cancelled(folder, tenant)));
    clock.forward(2 * TIME_TO_PAY);
    wait_until(|| tenants.iter().all(|tenant| is_cancelled(folder, tenant)));
    wait_until(|| shops.statistics().open == 0);
    assert_eq!(shops.statistics().due_later, 0);
    shops.stop(LONG).unwrap();
}

/// One that is closed by a caller stays closed. One from an earlier run of the program is due once it is opened.
#[test]
fn a_tenant_that_was_closed_by_a_caller_is_not_opened() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::default());
    let (folder, shops) = (folder.path(), shops(folder.path(), &clock));
    place(&shops, "acme");
    wait_until(|| shops.statistics().due_later == 1);
    shops.close("acme", LONG).unwrap();
    assert_eq!(shops.statistics().due_later, 0);
    let opened = shops.statistics().opened;
    clock.forward(2 * TIME_TO_PAY);
    // The keeper has run.
    place(&shops, "globex");
    wait_until(|| shops.statistics().open == 0);
    assert!(!is_cancelled(folder, "acme"));
    assert_eq!(shops.statistics().opened, opened + 1);
    drop(shops.get("acme").unwrap());
    wait_until(|| is_cancelled(folder, "acme"));
}

#[test]
fn a_due_tenant_that_can_not_be_opened_is_reported_and_tried_again() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::default());
    let (is_down, said) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let (at, time, down, heard) =
        (folder.path().to_owned(), clock.clone(), Arc::clone(&is_down), Arc::clone(&said));
    let shops = Tenants::new(move |tenant: &str| {
        if down.load(Ordering::SeqCst) {
            return Err("no disk".into());
        }
        open(&at, tenant, &time)
    });
    let shops =
        shops.idle(Duration::ZERO).on_error(move |error| heard.lock().unwrap().push(with_causes(error)));
    place(&shops, "acme");
    wait_until(|| shops.statistics().due_later == 1);
    is_down.store(true, Ordering::SeqCst);
    clock.forward(2 * TIME_TO_PAY);
    wait_until(|| said.lock().unwrap().len() == 2);
    assert_eq!(said.lock().unwrap()[0], "can't open the tenant `acme`: no disk");
    assert_eq!(shops.statistics().due_later, 1);
    is_down.store(false, Ordering::SeqCst);
    wait_until(|| is_cancelled(folder.path(), "acme"));
}

/// All places are taken by tenants in use.
#[test]
fn a_due_tenant_without_room_is_reported_and_opened_later() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::default());
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&said);
    let shops = shops(folder.path(), &clock).most_open(1).patience(LONG);
    let shops = shops.on_error(move |error| heard.lock().unwrap().push(error.to_string()));
    place(&shops, "acme");
    let used = shops.get("globex").unwrap();
    clock.forward(2 * TIME_TO_PAY);
    wait_until(|| !said.lock().unwrap().is_empty());
    let text =
        "the tenant `acme` is not opened: 1 tenants are open, and none of them could be closed within 0ns";
    assert!(said.lock().unwrap()[0].starts_with(text), "{said:?}");
    assert!(!is_cancelled(folder.path(), "acme"));
    drop(used);
    wait_until(|| is_cancelled(folder.path(), "acme"));
}

/// The first tenant that is due hangs while it is opened, as on a disk that does not answer.
#[test]
fn a_due_tenant_that_hangs_delays_no_other() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::default());
    let (hangs, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(Gate::default()));
    let (at, time, hangs_now, gate) =
        (folder.path().to_owned(), clock.clone(), Arc::clone(&hangs), Arc::clone(&answers));
    let shops = Tenants::new(move |tenant: &str| {
        if hangs_now.swap(false, Ordering::SeqCst) {
            gate.pass();
        }
        open(&at, tenant, &time)
    });
    let shops = shops.idle(Duration::ZERO).patience(Duration::from_millis(50));
    let tenants = ["acme", "globex", "initech"];
    for tenant in tenants {
        place(&shops, tenant);
    }
    wait_until(|| shops.statistics().due_later == 3);
    hangs.store(true, Ordering::SeqCst);
    clock.forward(2 * TIME_TO_PAY);
    let cancelled = || tenants.iter().filter(|tenant| is_cancelled(folder.path(), tenant)).count();
    wait_until(|| cancelled() == 2);
    // Idle ones are closed meanwhile. The one that hangs has its place.
    wait_until(|| shops.statistics().open == 1);
    answers.open();
    wait_until(|| cancelled() == 3);
    shops.stop(LONG).unwrap();
}

//! All tenants stop at once, and none is opened after that.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::Duration;

use factum::application::{TenantError, Tenants};
use factum::prelude::*;

use super::super::shop::{LONG, Mailer, place};
use super::{Gate, Smalls, living, open_small, shops, smalls};
use crate::support::bounded::wait_until;

#[test]
fn a_stop_ends_all_tenants() {
    let count = Arc::new(AtomicUsize::new(0));
    let tenants = smalls(&count);
    for number in 0..20 {
        drop(tenants.get(&number.to_string()).unwrap());
    }
    assert_eq!(living(&count), 20);
    tenants.stop(LONG).unwrap();
    assert_eq!((living(&count), tenants.statistics().open), (0, 0));
}

#[test]
fn a_stop_names_the_tenants_in_use() {
    let count = Arc::new(AtomicUsize::new(0));
    let tenants = smalls(&count);
    let [a, b] = ["a", "b"].map(|tenant| tenants.get(tenant).unwrap());
    let error = tenants.stop(Duration::from_millis(20)).unwrap_err();
    assert_eq!(error.busy, ["a", "b"]);
    let text = "not all tenants have stopped as they should: `a` is in use, or is being opened or closed; `b` is in use, \
                or is being opened or closed";
    assert_eq!(error.to_string(), text);
    assert_eq!(living(&count), 2);
    assert!(matches!(tenants.get("a"), Err(TenantError::Stopped { .. })));
    a.clone().execute(place("a", 10)).unwrap();
    drop((a, b));
    assert_eq!(living(&count), 0);
    tenants.stop(LONG).unwrap();
}

#[test]
fn a_stop_waits_for_those_in_use() {
    let count = Arc::new(AtomicUsize::new(0));
    let tenants = smalls(&count);
    let used = tenants.get("a").unwrap();
    thread::scope(|scope| {
        let stop = scope.spawn(|| tenants.stop(LONG));
        wait_until(|| matches!(tenants.get("b"), Err(TenantError::Stopped { .. })));
        used.execute(place("a", 10)).unwrap();
        drop(used);
        stop.join().unwrap().unwrap();
    });
    assert_eq!(living(&count), 0);
}

#[test]
fn a_tenant_that_is_opened_while_all_stop_is_closed() {
    let (gate, begun, count) =
        (Arc::new(Gate::default()), Arc::new(Gate::default()), Arc::new(AtomicUsize::new(0)));
    let (opens, begins, lives) = (Arc::clone(&gate), Arc::clone(&begun), Arc::clone(&count));
    let tenants: Smalls = Tenants::new(move |_: &str| {
        begins.open();
        opens.pass();
        open_small(&MemoryStore::new(), &lives)
    });
    thread::scope(|scope| {
        let getting = scope.spawn(|| tenants.get("slow").map(drop));
        begun.pass();
        assert_eq!(tenants.stop(Duration::from_millis(20)).unwrap_err().busy, ["slow"]);
        gate.open();
        let error = getting.join().unwrap().unwrap_err();
        assert!(matches!(error, TenantError::Stopped { .. }), "{error}");
    });
    assert_eq!((living(&count), tenants.statistics().open), (0, 0));
}

#[test]
fn tenants_stop_when_they_are_dropped() {
    let count = Arc::new(AtomicUsize::new(0));
    let tenants = smalls(&count);
    for number in 0..10 {
        drop(tenants.get(&number.to_string()).unwrap());
    }
    let used = tenants.get("used").unwrap();
    drop(tenants);
    assert_eq!(living(&count), 1);
    used.execute(place("a", 10)).unwrap();
    drop(used);
    assert_eq!(living(&count), 0);
}

#[test]
fn a_stop_reports_followers_that_have_failed() {
    let (folder, mail) = (tempfile::tempdir().unwrap(), Mailer::default());
    let shops = shops(folder.path(), &mail);
    for (tenant, cents) in [("acme", 13), ("globex", 10)] {
        let shop = shops.get(tenant).unwrap();
        let position = shop.execute(place("a", cents)).unwrap().position().unwrap();
        assert_eq!(shop.wait_for::<Mailer>(position, LONG).is_err(), cents == 13);
    }
    let error = shops.stop(LONG).unwrap_err();
    assert!(error.busy.is_empty());
    let [TenantError::Close { tenant, source, .. }] = &error.failed[..] else { panic!("{error}") };
    assert_eq!((&**tenant, source.failed[0].0), ("acme", "mailer"));
    assert_eq!(Arc::strong_count(&mail.sent), 2, "only the function that opens has it");
}

//! A tenant is opened once, however many callers ask for it, and what fails is tried again.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Weak};
use std::thread;
use std::time::Duration;

use factum::application::{TenantError, Tenants};
use factum::follow::Activity;
use factum::prelude::*;
use factum::store::StoreError;
use factum::with_causes;

use super::super::shop::{LONG, place};
use super::{Gate, Smalls, living, open_small, shops, smalls};
use crate::application::shop::Mailer;
use crate::support::bounded::wait_until;

#[test]
fn callers_of_one_tenant_share_it_and_none_waits_for_another_tenant() {
    let (opened, quick_is_open) = (Arc::new(AtomicUsize::new(0)), Arc::new(Gate::default()));
    let (opens, gate) = (Arc::clone(&opened), Arc::clone(&quick_is_open));
    let tenants: Smalls = Tenants::new(move |tenant: &str| {
        if tenant == "slow" {
            opens.fetch_add(1, Ordering::SeqCst);
            gate.pass();
        }
        open_small(&MemoryStore::new(), &Arc::default())
    });
    thread::scope(|scope| {
        for number in 0..8 {
            let tenants = &tenants;
            scope
                .spawn(move || tenants.get("slow").unwrap().execute(place(&number.to_string(), 10)).unwrap());
        }
        // If this one waited for the slow one, none would go on.
        tenants.get("quick").unwrap().execute(place("a", 10)).unwrap();
        quick_is_open.open();
    });
    assert_eq!(opened.load(Ordering::SeqCst), 1);
    assert_eq!(tenants.get("slow").unwrap().store().position().unwrap().get(), 8);
    assert_eq!(tenants.get("quick").unwrap().store().position().unwrap().get(), 1);
    let statistics = tenants.statistics();
    assert_eq!((statistics.open, statistics.in_use, statistics.opened, statistics.closed), (2, 0, 2, 0));
}

#[test]
fn an_open_that_fails_or_panics_is_an_error_of_all_callers_and_is_tried_again() {
    let (is_down, barrier) = (Arc::new(AtomicBool::new(true)), Barrier::new(4));
    let down = Arc::clone(&is_down);
    let tenants: Smalls = Tenants::new(move |tenant: &str| {
        if down.load(Ordering::SeqCst) {
            // Let the others come, most of the time.
            thread::sleep(Duration::from_millis(20));
            assert_ne!(tenant, "panics", "no disk");
            return Err("no disk".into());
        }
        open_small(&MemoryStore::new(), &Arc::default())
    });
    for tenant in ["fails", "panics"] {
        is_down.store(true, Ordering::SeqCst);
        let errors = thread::scope(|scope| {
            let get = || {
                barrier.wait();
                tenants.get(tenant).unwrap_err()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(get)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        for error in errors {
            match &error {
                TenantError::Open { .. } if tenant == "fails" => {
                    assert_eq!(with_causes(&error), "can't open the tenant `fails`: no disk");
                }
                TenantError::Panicked { message, .. } if tenant == "panics" => {
                    assert!(message.contains("no disk"), "{message}");
                }
                other => panic!("{other}"),
            }
        }
        assert!(!super::open_ones(&tenants).contains(&tenant.to_owned()));
        is_down.store(false, Ordering::SeqCst);
        tenants.get(tenant).unwrap().execute(place("a", 10)).unwrap();
    }
}

#[test]
fn a_name_that_is_no_file_of_its_own_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let shops = shops(folder.path(), &Mailer::default());
    let long = "a".repeat(101);
    let bad = [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/etc/passwd",
        "a\\b",
        "a\0",
        "a b",
        "c:",
        "-a",
        ".a",
        "_a",
        "Acme",
        "müller",
        "a\n",
        "con",
        "nul.txt",
        "com1",
        "lpt9.x",
        "a.",
        "a..",
        // SQLite's files beside the store of `a`, if the name is the whole name of the file.
        "a-wal",
        "a-shm",
        "a-journal",
        &long,
    ];
    for name in bad {
        let error = shops.get(name).unwrap_err();
        assert!(matches!(&error, TenantError::BadName { tenant, .. } if tenant == name), "{name:?}: {error}");
    }
    let error = shops.get("../x").unwrap_err();
    assert_eq!(
        error.to_string(),
        r#""../x" is no name of a tenant: it does not begin with one of a-z and 0-9"#
    );
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    for name in [
        "a",
        "0",
        "acme-2",
        "shop.example.org",
        "a_b",
        "console",
        "com",
        "common",
        "a-wall",
        "wal",
        &long[1..],
    ] {
        // Windows has devices `com1` and `lpt1`. Names without the digit are as good as refused.
        if name != "com" {
            drop(shops.get(name).unwrap());
        }
    }
}

/// A function that opens tenants may open others, but not in a circle.
#[derive(Debug, thiserror::Error)]
#[error("can't open the store")]
struct NotConnected(#[source] StoreError);

#[test]
fn the_store_s_error_is_found_below_others() {
    let tenants = Smalls::new(|tenant: &str| match tenant {
        "busy" => Err(StoreError::Busy.into()),
        "inside" => Err(NotConnected(StoreError::Full).into()),
        _ => Err("no such shop".into()),
    });
    let error = |tenant: &str| tenants.get(tenant).map(drop).unwrap_err();
    assert!(matches!(error("busy").store_error(), Some(StoreError::Busy)));
    assert!(matches!(error("inside").store_error(), Some(StoreError::Full)));
    assert!(error("other").store_error().is_none());
    assert!(error("No Name").store_error().is_none());
}

#[test]
fn a_tenant_that_waits_for_itself_is_an_error() {
    let this = Arc::new(std::sync::OnceLock::<Weak<Smalls>>::new());
    let (tenants, both) = (Arc::clone(&this), Arc::new(Barrier::new(2)));
    let tenants = Arc::new(Smalls::new(move |tenant: &str| {
        let tenants = tenants.get().unwrap().upgrade().unwrap();
        match tenant {
            "itself" => drop(tenants.get("itself")?),
            "outer" => drop(tenants.get("inner")?),
            "one" | "other" => {
                both.wait();
                drop(tenants.get(if tenant == "one" { "other" } else { "one" })?);
            }
            _ => {}
        }
        open_small(&MemoryStore::new(), &Arc::default())
    }));
    this.set(Arc::downgrade(&tenants)).unwrap();
    tenants.get("outer").unwrap().execute(place("a", 10)).unwrap();
    let text = "can't open the tenant `itself`: the thread that opens or closes the tenant `itself` waits for this thread";
    assert_eq!(with_causes(&tenants.get("itself").unwrap_err()), text);
    thread::scope(|scope| {
        let other = scope.spawn(|| tenants.get("other").map(drop));
        let results = [tenants.get("one").map(drop), other.join().unwrap()];
        assert!(results.iter().all(|result| matches!(result, Err(TenantError::Open { .. }))), "{results:?}");
        assert!(results.iter().any(|result| {
            result.as_ref().is_err_and(|error| with_causes(error).ends_with("waits for this thread"))
        }));
    });
}

/// Threads that use few tenants, of which fewer may be open: no tenant is open twice at once.
#[test]
fn no_tenant_is_open_twice() {
    let stores: Vec<_> = (0..4).map(|_| (MemoryStore::new(), Arc::new(AtomicUsize::new(0)))).collect();
    let of_tenants = stores.clone();
    let tenants: Smalls = Tenants::new(move |tenant: &str| {
        let (store, living) = &of_tenants[tenant.parse::<usize>()?];
        assert_eq!(super::living(living), 0, "`{tenant}` is open twice");
        open_small(store, living)
    });
    let tenants = tenants.idle(Duration::ZERO).most_open(2).patience(LONG);
    thread::scope(|scope| {
        for thread in 0..6_usize {
            let tenants = &tenants;
            scope.spawn(move || {
                for step in 0..40_usize {
                    let tenant = tenants.get(&((thread + step * (thread + 1)) % 4).to_string()).unwrap();
                    assert!(tenants.statistics().open <= 2);
                    tenant.clone().execute(place(&thread.to_string(), 10)).unwrap();
                }
            });
        }
    });
    let events: u64 = stores.iter().map(|(store, _)| store.position().unwrap().get()).sum();
    assert_eq!(events, 6 * 40);
    tenants.stop(LONG).unwrap();
    assert!(stores.iter().all(|(_, living)| super::living(living) == 0));
    assert_eq!(tenants.statistics().opened, tenants.statistics().closed);
}

#[test]
fn a_tenant_finds_room_when_another_one_is_not_in_use() {
    let count = Arc::new(AtomicUsize::new(0));
    let tenants = smalls(&count).most_open(2).patience(Duration::ZERO);
    let (a, b) = (tenants.get("a").unwrap(), tenants.get("b").unwrap());
    let error = tenants.get("c").unwrap_err();
    assert!(matches!(&error, TenantError::Full { most_open: 2, .. }), "{error}");
    drop(a.clone());
    assert!(matches!(tenants.get("c"), Err(TenantError::Full { .. })));
    let tenants = tenants.patience(LONG);
    let all_are_at_rest = || {
        let followers = tenants.health().into_iter().flat_map(|(_, followers)| followers);
        followers.into_iter().all(|follower| follower.activity == Activity::Running)
    };
    // The one that was used last stays.
    wait_until(all_are_at_rest);
    drop((b, a));
    drop(tenants.get("c").unwrap());
    assert_eq!(super::open_ones(&tenants), ["a", "c"]);
    wait_until(all_are_at_rest);
    drop(tenants.get("a").unwrap());
    drop(tenants.get("b").unwrap());
    assert_eq!(super::open_ones(&tenants), ["a", "b"]);
    assert_eq!(living(&count), 2);
}

/// The function may hang, as on a disk that does not answer.
#[test]
fn callers_do_not_wait_for_an_open_that_hangs() {
    let (begun, answers) = (Arc::new(Gate::default()), Arc::new(Gate::default()));
    let (hangs, gate) = (Arc::clone(&begun), Arc::clone(&answers));
    let tenants: Smalls = Tenants::new(move |tenant: &str| {
        if tenant == "hangs" {
            hangs.open();
            gate.pass();
        }
        open_small(&MemoryStore::new(), &Arc::default())
    });
    let tenants = tenants.patience(Duration::from_millis(20));
    thread::scope(|scope| {
        let first = scope.spawn(|| tenants.get("hangs").map(drop));
        begun.pass();
        let error = tenants.get("hangs").unwrap_err();
        assert!(matches!(error, TenantError::Changing { .. }), "{error}");
        let text = "another thread still opens or closes the tenant `hangs`, after 20ms; raise `patience` if that may take longer";
        assert_eq!(error.to_string(), text);
        tenants.get("other").unwrap().execute(place("a", 10)).unwrap();
        answers.open();
        first.join().unwrap().unwrap();
    });
    tenants.get("hangs").unwrap().execute(place("a", 10)).unwrap();
}

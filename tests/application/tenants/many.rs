//! 500 tenants in one process, of which 50 are open at a time.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use factum::prelude::*;

use super::super::shop::{LONG, Mailer, Totals, place};
use super::shops;
use crate::support::bounded::{SetOnDrop, wait_until};
use crate::support::job::{Job, say};

const TENANTS: usize = 500;
const MOST_OPEN: usize = 50;
const THREADS: usize = 4;

/// In a process of its own, whose threads and files no other test has.
#[test]
fn five_hundred_tenants_share_threads_and_files() {
    // In memory, where there is such a folder: the test is not about the disk.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let said = Job::start("many-tenants", folder.path()).finish();
    let numbers: Vec<usize> = said.iter().map(|said| said.parse().unwrap()).collect();
    let [threads, files, idle_files] = numbers[..] else { panic!("{said:?}") };
    // 8 threads for all followers, one for the time, one for the files; more for a moment if all seem to be blocked.
    assert!(threads < 50, "{threads} threads");
    assert!(files < 12 * MOST_OPEN, "{files} files");
    assert!(idle_files < 50, "{idle_files} files while all tenants are closed");
}

/// Sends commands to all tenants, and prints the most threads and files that there were, and the files when all are closed.
pub(crate) fn serve(folder: &Path) {
    let mail = Mailer::default();
    let shops = shops(folder, &mail).most_open(MOST_OPEN).patience(LONG);
    let (is_over, tenant) = (AtomicBool::new(false), |number: usize| format!("tenant-{number}"));
    let most = thread::scope(|scope| {
        let measure = scope.spawn(|| {
            let mut most = (0, 0);
            while !is_over.load(Ordering::SeqCst) {
                most = (most.0.max(threads()), most.1.max(files()));
                assert!(shops.statistics().open <= MOST_OPEN);
                thread::sleep(Duration::from_millis(20));
            }
            most
        });
        let over = SetOnDrop(&is_over);
        let work = |thread: usize| {
            for number in 0..TENANTS {
                let number = (number + thread) % TENANTS;
                let cents = cents(number);
                shops
                    .get(&tenant(number))
                    .unwrap()
                    .execute(place(&format!("{number}-{thread}"), cents))
                    .unwrap();
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
        for thread in threads {
            thread.join().unwrap();
        }
        drop(over);
        measure.join().unwrap()
    });
    for number in 0..TENANTS {
        let shop = shops.get(&tenant(number)).unwrap();
        let position = shop.store().position().unwrap();
        assert_eq!(position.get(), THREADS as u64);
        shop.wait_for_all(position, LONG).unwrap();
        let totals = shop.view(|totals: &Totals| (totals.orders, totals.cents)).unwrap();
        assert_eq!(totals, (THREADS as u64, cents(number) * THREADS as u64));
        let rows = shop
            .store()
            .query(|board| board.query_row("SELECT count(*) FROM board", (), |row| row.get::<_, usize>(0)));
        assert_eq!(rows.unwrap(), THREADS);
    }
    // What the tenants have in memory is gone each time, and so nothing is sent twice.
    let mut sent = BTreeMap::new();
    for mail in mail.sent.lock().unwrap().iter() {
        *sent.entry(mail.clone()).or_insert(0) += 1;
    }
    assert_eq!(sent.len(), TENANTS * THREADS);
    assert!(sent.values().all(|times| *times == 1));
    assert!(shops.statistics().opened >= 2 * (TENANTS - MOST_OPEN) as u64);
    let shops = shops.idle(Duration::ZERO);
    drop(shops.get("tenant-0").unwrap());
    wait_until(|| shops.statistics().open == 0);
    // The handles of some files are closed a little later.
    wait_until(|| files() < 50);
    let (threads, open) = most;
    [threads, open, files()].iter().for_each(say);
}

/// The price of each order of a tenant.
fn cents(tenant: usize) -> u64 {
    100 + tenant as u64
}

fn threads() -> usize {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = threads.filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok());
    names.filter(|name| name.starts_with("factum")).count()
}

fn files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

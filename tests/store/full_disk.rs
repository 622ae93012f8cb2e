//! A disk with no room left.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use factum::prelude::*;
use factum::sqlite::SqliteOptions;
use factum::sqlite::rusqlite::{self, Transaction};
use factum::store::ExpectedVersion::Any;
use factum::store::{AppendError, StoreError};
use tempfile::TempDir;

use crate::support::account::{Account, Deposited, deposit, id, open};
use crate::support::events::{append, read, read_all, stream};
use crate::support::stores::{LONG, open_store};

/// A file system of one megabyte in memory, unmounted on drop.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Mounts it. `None`, with the reason on stderr, if that fails.
    fn mount() -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "factum-test"])
            .arg(folder.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { folder }),
            Ok(output) => {
                let reason = String::from_utf8_lossy(&output.stderr);
                eprintln!("skipped: no small file system can be mounted: {}", reason.trim());
                None
            }
            Err(error) => {
                eprintln!("skipped: `mount` can't be run: {error}");
                None
            }
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: it is unmounted even while a failed test has the store open.
        let unmounted = Command::new("umount").arg("-l").arg(self.folder.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} could not be unmounted", self.folder.path().display());
        }
    }
}

#[test]
fn a_full_disk_is_an_error_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount() else { return };
    let ballast = disk.file("ballast");
    std::fs::write(&ballast, vec![b'x'; 300 << 10]).unwrap();
    let file = disk.file("store.db");
    let store = SqliteStore::open(&file).unwrap();
    let mut acknowledged = Vec::new();

    fill(&store, &mut acknowledged);
    assert!(!acknowledged.is_empty());
    // The disk stays full, and still nothing is lost.
    fill(&store, &mut acknowledged);
    check(&store, &acknowledged);
    check(&SqliteStore::open(&file).unwrap(), &acknowledged);

    std::fs::remove_file(&ballast).unwrap();
    let before = acknowledged.len();
    fill(&store, &mut acknowledged);
    assert!(acknowledged.len() > before, "no append succeeds although there is room");
    check(&store, &acknowledged);
    drop(store);
    reopen(&file, &acknowledged);
}

/// Writes half a page for each event.
#[derive(Projection)]
#[projection(name = "copies", from(Account), events(Deposited), into = Sqlite, init = "CREATE TABLE copies (copy)")]
struct Copies;

#[handlers]
impl Copies {
    #[project]
    fn deposited(&self, _: &Deposited, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction.execute("INSERT INTO copies VALUES (zeroblob(2000))", ()).map(drop)
    }
}

/// A full disk is the fault of no event: none becomes a dead letter, whatever the policy.
#[test]
fn a_follower_resumes_when_the_disk_has_room_again() {
    const EVENTS: u32 = 300;
    let Some(disk) = SmallDisk::mount() else { return };
    let ballast = disk.file("ballast");
    let folder = tempfile::tempdir().unwrap();
    let events = open_store(&folder.path().join("events.db"));
    let accounts = events.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute_batch(&id("alice"), (0..EVENTS).map(|_| deposit("alice", 1))).unwrap();
    // With so small a cache, handlers' statements write to the disk, and not the commit alone.
    let views = SqliteOptions::new().cache_bytes(16 << 10).open(disk.file("views.db")).unwrap();
    let view = SqliteProjection::in_store(&views, &events, Copies).unwrap();
    let mut full = std::fs::File::create(&ballast).unwrap();
    while std::io::Write::write_all(&mut full, &[b'x'; 4096]).is_ok() {}

    let (said, heard) = std::sync::mpsc::channel();
    let running = view
        .follow()
        .retry(2, Duration::from_millis(1))
        .on_failure(OnFailure::DeadLetter)
        .on_change(move |change| drop(said.send(change.to_string())))
        .start()
        .unwrap();
    // It goes beyond the retries that its policy has for events.
    loop {
        let change = heard.recv_timeout(LONG).unwrap();
        assert!(!change.contains("at position"), "an event is blamed: {change}");
        if change.contains("is full") && change.contains("after attempt 4") {
            break;
        }
    }
    std::fs::remove_file(&ballast).unwrap();
    drop(full);
    running.wait_for(events.position().unwrap(), LONG).unwrap();
    assert_eq!(running.stop().unwrap().dead_letters().unwrap(), []);
    let count = "SELECT count(*) FROM copies";
    assert_eq!(views.query(|view| view.query_row(count, (), |row| row.get::<_, u32>(0))).unwrap(), EVENTS);
}

/// Appends small and large events in turn until the disk is full. Any other error is a failure.
fn fill(store: &SqliteStore, acknowledged: &mut Vec<String>) {
    for number in acknowledged.len().. {
        let payload = format!("{number} {}", "x".repeat(if number % 2 == 0 { 10 } else { 20 << 10 }));
        match append(store, &stream("filled"), Any, &[&payload]) {
            Ok(_) => acknowledged.push(payload),
            Err(AppendError::Store { source: StoreError::Full, .. }) => return,
            Err(error) => panic!("wanted `StoreError::Full`, found: {error:?}"),
        }
    }
}

/// The store has the acknowledged events, and no others.
fn check(store: &SqliteStore, acknowledged: &[String]) {
    assert!(
        read(store, &stream("filled")).unwrap() == acknowledged,
        "the stream is not what was acknowledged"
    );
    assert!(read_all(store).unwrap() == acknowledged, "the store is not what was acknowledged");
}

fn reopen(file: &Path, acknowledged: &[String]) {
    check(&SqliteStore::open(file).unwrap(), acknowledged);
}

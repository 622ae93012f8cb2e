//! Processes that are killed while they have a lease: others take it at once, long before it ends.

use std::path::Path;
use std::time::Duration;

use factum::follow::WaitError;
use factum::prelude::*;

use super::{Followed, counted};
use crate::support::account::{Account, deposit, open};
use crate::support::bounded::wait_until;
use crate::support::job::{Job, say};
use crate::support::stores::{LONG, open_store};
use crate::support::views::{awaited_lease, rows};

/// A lease that ends long after the test.
const ENDLESS: Duration = Duration::from_hours(10);

fn followed(store: &SqliteStore) -> SqliteProjection<Followed> {
    SqliteProjection::new(store, Followed).unwrap()
}

#[test]
fn the_lease_of_a_killed_runner_is_taken_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = open_store(&file);
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    let mut job = Job::start("follow", &file);
    assert_eq!(job.hear().as_deref(), Some("has it"));
    let following = followed(&store).follow().lease(ENDLESS).start().unwrap();
    wait_until(|| awaited_lease(&following).is_some());
    let holder = awaited_lease(&following).unwrap();
    assert_eq!(holder.process, Some(job.id()), "{holder}");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(holder.host.as_deref(), Some(host.trim()));
    job.kill();
    let done = accounts.execute(deposit("alice", 5)).unwrap();
    following.wait_for(done.position().unwrap(), LONG).unwrap();
    assert_eq!(rows(&store, "SELECT * FROM followed"), counted(&store, 2));
    assert_eq!(awaited_lease(&following), None);
}

/// Has the lease until it is killed.
pub(crate) fn follow_until_killed(file: &Path) {
    let store = open_store(file);
    let following = followed(&store).follow().lease(ENDLESS).start().unwrap();
    following.wait_for(store.position().unwrap(), LONG).unwrap();
    say("has it");
    let forever = following.wait_for(factum::Position::new(u64::MAX), ENDLESS);
    assert!(matches!(forever, Err(WaitError::TimedOut { .. })));
}

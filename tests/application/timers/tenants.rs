//! A closed tenant is opened again when one of its timers is due.

use std::time::Duration;

use factum::application::Tenants;
use factum::prelude::*;
use factum::testing::TestClock;

use super::tower::{Tower, ring, rung};
use crate::support::bounded::wait_until;

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn timers_of_closed_tenants_fire() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::default());
    let (files, time) = (folder.path().to_owned(), clock.clone());
    let towers = Tenants::new(move |tenant: &str| {
        let store = SqliteStore::open(files.join(format!("{tenant}.db")))?;
        Ok(Tower::default().start_with(&store, time.clone())?)
    });
    let towers = towers.idle(Duration::ZERO);
    let later = Timestamp::now().after(HOUR);
    towers.get("acme").unwrap().schedule(later, ring("a"), "a").unwrap();
    wait_until(|| towers.statistics().open == 0);
    assert_eq!(towers.statistics().due_later, 1);
    clock.forward(HOUR);
    wait_until(|| towers.statistics().due_later == 0 && towers.statistics().open == 0);
    let tower = towers.get("acme").unwrap();
    assert_eq!(rung(&tower), ["a"]);
    assert_eq!(tower.scheduled().unwrap(), []);
    drop(tower);
    towers.stop(HOUR).unwrap();
}

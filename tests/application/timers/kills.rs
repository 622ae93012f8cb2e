//! Programs that are killed while timers are sent: each command happens once.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use factum::prelude::*;
use factum::testing::TestClock;
use tempfile::TempDir;

use super::tower::{Bell, Tower, ring, rung, rung_in_the_end};
use crate::support::job::{Job, say};
use crate::support::kept::{self, open_kept};

const HOUR: Duration = Duration::from_hours(1);

/// How many timers are set, and how often their program is killed.
const TIMERS: u32 = 200;
const KILLS: u32 = 8;

#[test]
fn killed_programs_send_each_command_once() {
    let folder = TempDir::new().unwrap();
    let mut too_late = 0;
    for number in 0..KILLS {
        // Each round sets some more timers, which are due.
        let store = open_kept(folder.path());
        let tower = Tower::default().start(&store).unwrap();
        let later = Timestamp::now().after(HOUR);
        for timer in 0..TIMERS / KILLS {
            let note = (number * (TIMERS / KILLS) + timer).to_string();
            tower.schedule(later, ring(&note), note).unwrap();
        }
        drop((tower, store));
        let job = Job::start("ring", folder.path());
        let micros = uuid::Uuid::now_v7().as_u128() % 20_000;
        std::thread::sleep(Duration::from_micros(u64::try_from(micros).unwrap()));
        too_late += u32::from(job.kill().contains(&"done".to_owned()));
    }
    assert!(too_late < KILLS, "no kill has met a program at work");
    let store = open_kept(folder.path());
    let tower = Tower::default().start_with(&store, two_hours_later()).unwrap();
    let notes = rung_in_the_end(&tower);
    assert_eq!(notes.iter().collect::<HashSet<_>>().len(), TIMERS as usize);
    assert_eq!(notes.len(), TIMERS as usize);
    assert_eq!(rung(&tower), notes);
    let bell = tower.repository::<Bell>().load(&"bell".to_owned()).unwrap();
    assert_eq!(bell.version(), u64::from(TIMERS));
    assert_eq!(tower.timers().dead_letters().unwrap(), []);
    kept::check(&store);
}

/// A clock by which all timers are due.
fn two_hours_later() -> TestClock {
    let clock = TestClock::default();
    clock.forward(2 * HOUR);
    clock
}

/// The job: sends what is due.
pub(crate) fn ring_until_killed(folder: &Path) {
    let tower = Tower::default().start_with(&open_kept(folder), two_hours_later()).unwrap();
    rung_in_the_end(&tower);
    say("done");
    std::thread::sleep(Duration::from_mins(1));
}

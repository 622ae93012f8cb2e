//! A tower whose bell timers ring.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use crate::support::bounded::wait_until;
use factum::application::Running;
use factum::follow::{KeepsTimers, Timer};
use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
pub(super) struct Rung {
    pub(super) note: String,
}

#[derive(Debug, Serialize, Deserialize, Event)]
pub(super) struct BellSet;

#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub(super) struct Ring {
    #[command(id)]
    pub(super) bell: String,
    pub(super) note: String,
}

/// The first one of a bell leads to an event, the others to none.
#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub(super) struct SetUp(pub(super) String);

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("a bell can't ring `{0}`")]
pub(super) struct Silent(String);

/// How often a bell that is to ring `stuck` still panics, and how long one that is to ring `hang` blocks.
#[derive(Debug, Clone, Default)]
pub(super) struct Stuck {
    panics: Arc<AtomicU32>,
    hangs: Arc<Mutex<Option<Receiver<()>>>>,
}

impl Stuck {
    pub(super) fn set(&self, times: u32) {
        self.panics.store(times, Ordering::SeqCst);
    }

    /// Lets the next bell that is to ring `hang` block until the result is dropped.
    pub(super) fn hang(&self) -> Sender<()> {
        let (sender, receiver) = channel();
        *self.hangs.lock().unwrap() = Some(receiver);
        sender
    }

    fn is_stuck(&self) -> bool {
        self.panics.try_update(Ordering::SeqCst, Ordering::SeqCst, |times| times.checked_sub(1)).is_ok()
    }

    fn wait(&self) {
        let hangs = self.hangs.lock().unwrap().take();
        if let Some(receiver) = hangs {
            // Nothing is sent.
            let _ = receiver.recv();
        }
    }
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Silent, services = Stuck, commands(SetUp, Ring), events(BellSet, Rung))]
pub(super) struct Bell {
    is_set: bool,
}

#[handlers]
impl Bell {
    #[execute]
    fn set_up(&self, _: SetUp) -> Option<BellSet> {
        (!self.is_set).then_some(BellSet)
    }

    #[execute]
    fn ring(&self, command: Ring, stuck: &Stuck) -> Result<Rung, Silent> {
        match &*command.note {
            "nothing" => Err(Silent(command.note)),
            "stuck" if stuck.is_stuck() => panic!("the bell is stuck"),
            "hang" => {
                stuck.wait();
                Ok(Rung { note: command.note })
            }
            _ => Ok(Rung { note: command.note }),
        }
    }

    #[apply]
    fn set(&mut self, _: &BellSet) {
        self.is_set = true;
    }

    #[apply]
    fn rung(&mut self, _: &Rung) {}
}

#[derive(Default, Application)]
#[application(aggregates(Bell), schedules(Ring))]
pub(super) struct Tower {
    #[services(Bell)]
    pub(super) stuck: Stuck,
}

pub(super) fn ring(note: &str) -> Ring {
    ring_of("bell", note)
}

pub(super) fn ring_of(bell: &str, note: &str) -> Ring {
    Ring { bell: bell.to_owned(), note: note.to_owned() }
}

pub(super) fn set_up() -> SetUp {
    SetUp("bell".to_owned())
}

/// The notes that the bell has rung.
pub(super) fn rung<S: KeepsTimers>(tower: &Running<Tower, S>) -> Vec<String> {
    rung_by(tower, "bell")
}

pub(super) fn rung_by<S: KeepsTimers>(tower: &Running<Tower, S>, bell: &str) -> Vec<String> {
    let Ok(history) = tower.repository::<Bell>().history(&bell.to_owned()) else { return Vec::new() };
    let note = |event: BellEvent| match event {
        BellEvent::Rung(Rung { note }) => Some(note),
        BellEvent::BellSet(_) => None,
    };
    history.filter_map(|recorded| note(recorded.unwrap().event)).collect()
}

/// What the bell has rung once all timers are sent or have failed.
pub(super) fn rung_in_the_end<S: KeepsTimers>(tower: &Running<Tower, S>) -> Vec<String> {
    wait_until(|| tower.scheduled().unwrap().is_empty());
    rung(tower)
}

pub(in crate::application) fn keys(timers: &[Timer]) -> Vec<&str> {
    timers.iter().map(|timer| &*timer.key).collect()
}

/// Makes a test of each function of the module `each`, on the database of followers and in memory.
macro_rules! on_both_stores {
    ($($test:ident)*) => {$(
        #[test]
        fn $test() {
            each::$test(&$crate::support::kept::new_kept());
            each::$test(&MemoryStore::new());
        }
    )*};
}
pub(super) use on_both_stores;

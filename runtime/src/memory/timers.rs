//! Timers that are kept in memory.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::task::Waker;

use crate::domain::time::Timestamp;
use crate::follow::lease::{LeaseAnswer, LeaseHolder, StoredLease};
use crate::follow::lease_keeper::KeptLease;
use crate::follow::timers::timer::{DiscardedTimer, Timer, TimerFailure};
use crate::follow::timers::timer_store::{
    DueCommand, DueTimer, TimerLook, TimerResult, TimerStep, TimerStore, TimerTurn,
};
use crate::memory::store::MemoryStore;
use crate::store::error::StoreError;
use crate::store::timer::{NewTimer, TimerChange};

/// The place of a timer in the order of their times: when it is due, and its number.
type Place = (Timestamp, i64);

/// The timers of a store in memory.
#[derive(Debug, Default)]
pub(super) struct TimerLog {
    last: i64,
    waiting: BTreeMap<Place, NewTimer>,
    /// The places of the timers that wait, by their keys.
    keys: HashMap<String, Place>,
    /// Timers whose commands are being sent.
    taken: BTreeMap<Place, NewTimer>,
    failed: BTreeMap<Place, (NewTimer, TimerFailure)>,
    discarded: BTreeMap<Place, DiscardedTimer>,
    lease: Option<StoredLease>,
}

impl TimerLog {
    /// Sets or cancels a timer. Returns whether one with its key was waiting.
    pub(super) fn change(&mut self, change: &TimerChange) -> bool {
        let key = match change {
            TimerChange::Set(timer) => &timer.key,
            TimerChange::Cancel(key) => key,
        };
        let removed = self.keys.remove(key).and_then(|place| self.waiting.remove(&place));
        if let TimerChange::Set(timer) = change {
            self.last += 1;
            let place = (timer.due, self.last);
            self.keys.insert(timer.key.clone(), place);
            self.waiting.insert(place, timer.clone());
        }
        removed.is_some()
    }

    fn step(&mut self, holder: &LeaseHolder, step: &TimerStep<'_>) -> TimerTurn {
        let answer =
            self.lease.as_ref().map_or(LeaseAnswer::Taken, |lease| holder.judge(lease, Timestamp::now()));
        if let LeaseAnswer::HeldBy(info) = answer {
            return TimerTurn::HeldBy(info);
        }
        self.lease = Some(StoredLease { holder: holder.record().to_vec(), until: holder.until() });
        for (number, result) in step.results {
            self.record(*number, result, step.now);
        }
        for _ in 0..step.limit {
            let Some(first) = self.waiting.first_entry().filter(|first| first.key().0 <= step.now) else {
                break;
            };
            let (place, timer) = first.remove_entry();
            self.keys.remove(&timer.key);
            self.taken.insert(place, timer);
        }
        let ready = self.taken.iter().filter(|((_, number), _)| (step.is_ready)(*number));
        let due: Vec<_> = ready.take(step.limit).map(|(place, timer)| due_timer(*place, timer)).collect();
        if due.is_empty() && !step.has_later {
            self.lease = None;
        }
        TimerTurn::Taken(due)
    }

    fn record(&mut self, number: i64, result: &TimerResult, now: Timestamp) {
        let Some(place) = place_of(&self.taken, number) else { return };
        if let (Some(timer), TimerResult::Failed(error)) = (self.taken.remove(&place), result) {
            self.failed.insert(place, (timer, TimerFailure::new(error.clone(), now)));
        }
    }
}

fn place_of<T>(timers: &BTreeMap<Place, T>, number: i64) -> Option<Place> {
    timers.keys().find(|(_, other)| *other == number).copied()
}

fn due_timer((_, number): Place, timer: &NewTimer) -> DueTimer {
    let NewTimer { id, key, command, version, content, cause, .. } = timer;
    DueTimer {
        number,
        key: key.clone(),
        command: (*command).to_owned(),
        sent: Ok(DueCommand { id: *id, version: *version, content: content.clone(), cause: cause.clone() }),
    }
}

fn listed((due, number): Place, timer: &NewTimer, failure: Option<TimerFailure>) -> Timer {
    let NewTimer { key, command, content, .. } = timer.clone();
    Timer { number, key, due, command: command.to_owned(), content, failure }
}

impl TimerStore for MemoryStore {
    fn change_timer(&self, change: &TimerChange) -> Result<bool, StoreError> {
        let changed = self.with_timers(|timers| timers.change(change));
        self.timer_wakers().wake();
        Ok(changed)
    }

    fn timer_step(&self, holder: &LeaseHolder, step: &TimerStep<'_>) -> Result<TimerTurn, StoreError> {
        Ok(self.with_timers(|timers| timers.step(holder, step)))
    }

    fn look_at_timers(&self) -> Result<TimerLook, StoreError> {
        Ok(self.with_timers(|timers| TimerLook {
            taken: timers.taken.len(),
            first: timers.waiting.keys().next().map(|(due, _)| *due),
        }))
    }

    fn late_timers(&self, now: Timestamp) -> Result<(u64, Option<Timestamp>), StoreError> {
        Ok(self.with_timers(|timers| {
            let all = timers.waiting.keys().chain(timers.taken.keys()).map(|(due, _)| *due);
            let late: Vec<_> = all.filter(|due| *due <= now).collect();
            (late.len() as u64, late.into_iter().min())
        }))
    }

    fn waiting_timers(&self, after: Place, limit: usize) -> Result<Vec<Timer>, StoreError> {
        Ok(self.with_timers(|timers| {
            let all = timers.waiting.iter().chain(&timers.taken).filter(|(place, _)| **place > after);
            let mut all: Vec<_> = all.map(|(place, timer)| listed(*place, timer, None)).collect();
            all.sort_by_key(|timer| (timer.due, timer.number));
            all.truncate(limit);
            all
        }))
    }

    fn failed_timers(&self, after: Place, limit: usize) -> Result<Vec<Timer>, StoreError> {
        Ok(self.with_timers(|timers| {
            let all = timers.failed.iter().filter(|(place, _)| **place > after).take(limit);
            all.map(|(place, (timer, failure))| listed(*place, timer, Some(failure.clone()))).collect()
        }))
    }

    fn discarded_timers(&self, after: Place, limit: usize) -> Result<Vec<DiscardedTimer>, StoreError> {
        Ok(self.with_timers(|timers| {
            let all = timers.discarded.iter().filter(|(place, _)| **place > after).take(limit);
            all.map(|(_, timer)| timer.clone()).collect()
        }))
    }

    fn retry_timer(&self, number: i64) -> Result<bool, StoreError> {
        let retried = self.with_timers(|timers| {
            let place = place_of(&timers.failed, number)?;
            let (timer, _) = timers.failed.remove(&place)?;
            timers.taken.insert(place, timer);
            Some(())
        });
        self.timer_wakers().wake();
        Ok(retried.is_some())
    }

    fn discard_timer(&self, number: i64, reason: &str, at: Timestamp) -> Result<bool, StoreError> {
        let discarded = self.with_timers(|timers| {
            let place = place_of(&timers.failed, number)?;
            let (timer, failure) = timers.failed.remove(&place)?;
            let timer = listed(place, &timer, Some(failure));
            timers.discarded.insert(place, DiscardedTimer::new(timer, reason.to_owned(), at));
            Some(())
        });
        Ok(discarded.is_some())
    }

    fn release_timers(&self, holder: &LeaseHolder) -> Result<(), StoreError> {
        self.with_timers(|timers| {
            timers.lease.take_if(|lease| lease.holder == holder.record());
        });
        Ok(())
    }

    /// A runner whose lease ends while it is busy sends nothing twice: the commands have keys.
    fn keep_timers(&self, _: &LeaseHolder) -> io::Result<Option<KeptLease>> {
        Ok(None)
    }

    fn watch_timers(&self, waker: &Waker) {
        self.timer_wakers().add(waker);
    }

    fn unwatch_timers(&self, waker: &Waker) {
        self.timer_wakers().remove(waker);
    }
}

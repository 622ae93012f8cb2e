//! Timers that are kept in a SQLite file.

use std::task::Waker;
use std::{io, slice};

use rusqlite::Transaction;

use crate::domain::time::Timestamp;
use crate::follow::lease::{LeaseAnswer, LeaseHolder};
use crate::follow::lease_keeper::{KeptLease, LeaseKeeper};
use crate::follow::progress_store::ProgressStore;
use crate::follow::timers::timer::{DiscardedTimer, Timer};
use crate::follow::timers::timer_store::{TimerLook, TimerStep, TimerStore, TimerTurn};
use crate::sqlite::file::errors::store_error;
use crate::sqlite::progress::leases;
use crate::sqlite::store::{SqliteStore, timers};
use crate::store::error::StoreError;
use crate::store::timer::TimerChange;

impl TimerStore for SqliteStore {
    fn change_timer(&self, change: &TimerChange) -> Result<bool, StoreError> {
        self.and_wake(|transaction| timers::change(transaction, change))
    }

    fn timer_step(&self, holder: &LeaseHolder, step: &TimerStep<'_>) -> Result<TimerTurn, StoreError> {
        let work = |transaction: &Transaction<'_>| {
            if let LeaseAnswer::HeldBy(info) = Self::take_lease(transaction, holder)? {
                return Ok(TimerTurn::HeldBy(info));
            }
            let due = timers::step(transaction, step).map_err(store_error)?;
            // Other runners need not wait, and nothing has to be renewed.
            if due.is_empty() && !step.has_later {
                leases::release(transaction, holder).map_err(store_error)?;
            }
            Ok(TimerTurn::Taken(due))
        };
        self.in_batch(work, |error| error)
    }

    fn look_at_timers(&self) -> Result<TimerLook, StoreError> {
        self.with_reader(|connection| timers::look(connection).map_err(store_error), |error| error)
    }

    fn late_timers(&self, now: Timestamp) -> Result<(u64, Option<Timestamp>), StoreError> {
        self.with_reader(|connection| timers::late(connection, now).map_err(store_error), |error| error)
    }

    fn waiting_timers(&self, after: (Timestamp, i64), limit: usize) -> Result<Vec<Timer>, StoreError> {
        self.with_reader(
            |connection| timers::waiting(connection, after, limit).map_err(store_error),
            |error| error,
        )
    }

    fn failed_timers(&self, after: (Timestamp, i64), limit: usize) -> Result<Vec<Timer>, StoreError> {
        self.with_reader(
            |connection| timers::failed(connection, after, limit).map_err(store_error),
            |error| error,
        )
    }

    fn discarded_timers(
        &self,
        after: (Timestamp, i64),
        limit: usize,
    ) -> Result<Vec<DiscardedTimer>, StoreError> {
        self.with_reader(
            |connection| timers::discarded(connection, after, limit).map_err(store_error),
            |error| error,
        )
    }

    fn retry_timer(&self, number: i64) -> Result<bool, StoreError> {
        self.and_wake(|transaction| timers::retry(transaction, number))
    }

    fn discard_timer(&self, number: i64, reason: &str, at: Timestamp) -> Result<bool, StoreError> {
        self.and_wake(|transaction| timers::discard(transaction, number, reason, at))
    }

    fn release_timers(&self, holder: &LeaseHolder) -> Result<(), StoreError> {
        self.release_leases(slice::from_ref(holder))
    }

    fn keep_timers(&self, holder: &LeaseHolder) -> io::Result<Option<KeptLease>> {
        LeaseKeeper::keep(self, holder).map(Some)
    }

    fn watch_timers(&self, waker: &Waker) {
        self.timer_wakers().add(waker);
    }

    fn unwatch_timers(&self, waker: &Waker) {
        self.timer_wakers().remove(waker);
    }
}

impl SqliteStore {
    /// Changes timers in a transaction, then wakes their runner.
    fn and_wake<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let done =
            self.in_transaction(|transaction| work(transaction).map_err(store_error), |error| error)?;
        self.timer_wakers().wake();
        Ok(done)
    }
}

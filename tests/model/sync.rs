//! Locks, atomics and threads whose order the model checker chooses.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::sync::{LockResult, PoisonError};
use std::time::Duration;

use shuttle::rand::Rng as _;
pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU64};
pub(crate) use shuttle::thread;

std::thread_local! {
    /// Whether a wait may time out, however short it is.
    pub(super) static TIMEOUTS: Cell<bool> = const { Cell::new(true) };
}

/// A random event that happens once in so many times.
pub(super) fn once_in(times: u32) -> bool {
    shuttle::rand::thread_rng().gen_ratio(1, times)
}

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    #[cfg(test)]
    pub(crate) fn into_inner(self) -> LockResult<T> {
        self.0.into_inner()
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    MutexGuard { mutex, guard: mutex.0.lock().unwrap_or_else(PoisonError::into_inner) }
}

pub(crate) struct MutexGuard<'m, T> {
    mutex: &'m Mutex<T>,
    guard: shuttle::sync::MutexGuard<'m, T>,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

/// A condition whose waits end by a notification or, at random, by a time-out. The one of `shuttle` never times out.
#[derive(Debug)]
pub(crate) struct Condvar(shuttle::sync::Condvar);

pub(crate) struct WaitTimeout(bool);

impl WaitTimeout {
    pub(crate) fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(shuttle::sync::Condvar::new())
    }

    pub(crate) fn wait<'m, T>(&self, guard: MutexGuard<'m, T>) -> LockResult<MutexGuard<'m, T>> {
        let MutexGuard { mutex, guard } = guard;
        let guard = self.0.wait(guard).unwrap_or_else(PoisonError::into_inner);
        Ok(MutexGuard { mutex, guard })
    }

    pub(crate) fn wait_timeout<'m, T>(
        &self,
        guard: MutexGuard<'m, T>,
        _: Duration,
    ) -> LockResult<(MutexGuard<'m, T>, WaitTimeout)> {
        if TIMEOUTS.get() && once_in(4) {
            let mutex = guard.mutex;
            drop(guard);
            thread::yield_now();
            return Ok((lock(mutex), WaitTimeout(true)));
        }
        self.wait(guard)
            .map(|guard| (guard, WaitTimeout(false)))
            .map_err(|_| unreachable!("`wait` does not fail"))
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

//! The wakers that a store wakes after each append.

use std::sync::{Arc, Mutex};
use std::task::Waker;

use crate::domain::panic::catch_panic;
use crate::store::lock::lock;

/// Wakers that are woken again and again, until they are removed.
#[derive(Debug)]
pub(crate) struct Wakers(Mutex<Arc<[Waker]>>);

impl Default for Wakers {
    fn default() -> Self {
        Self(Mutex::new(Arc::new([])))
    }
}

impl Wakers {
    pub(crate) fn add(&self, waker: &Waker) {
        let mut wakers = lock(&self.0);
        let others = wakers.iter().filter(|other| !other.will_wake(waker));
        *wakers = others.chain([waker]).cloned().collect();
    }

    pub(crate) fn remove(&self, waker: &Waker) {
        let mut wakers = lock(&self.0);
        *wakers = wakers.iter().filter(|other| !other.will_wake(waker)).cloned().collect();
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }

    /// Wakes all. No lock is held meanwhile, and a panic of a waker ends here.
    pub(crate) fn wake(&self) {
        let wakers = Arc::clone(&*lock(&self.0));
        for waker in &*wakers {
            drop(catch_panic(|| waker.wake_by_ref()));
        }
    }
}

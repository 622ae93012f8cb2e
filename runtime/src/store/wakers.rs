//! The wakers that a store wakes after each append.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::task::Waker;

use crate::domain::panic::catch_panic;
use crate::store::lock::lock;

/// Wakers that are woken again and again, until they are removed.
#[derive(Debug, Default)]
pub(crate) struct Wakers(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Each under what [`Waker::will_wake`] compares.
    wakers: HashMap<[usize; 2], Waker>,
    /// All of them, if none was added or removed since the last time that they were woken: then waking copies nothing. A copy for
    /// each change would cost the square of their number.
    list: Option<Arc<[Waker]>>,
}

fn key(waker: &Waker) -> [usize; 2] {
    [waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr()]
}

impl Wakers {
    pub(crate) fn add(&self, waker: &Waker) {
        self.change(|wakers| wakers.insert(key(waker), waker.clone()));
    }

    pub(crate) fn remove(&self, waker: &Waker) {
        self.change(|wakers| wakers.remove(&key(waker)));
    }

    /// What is replaced is dropped without the lock: a waker may belong to anything.
    fn change(&self, change: impl FnOnce(&mut HashMap<[usize; 2], Waker>) -> Option<Waker>) {
        let mut state = lock(&self.0);
        let replaced = (change(&mut state.wakers), state.list.take());
        drop(state);
        drop(replaced);
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).wakers.is_empty()
    }

    /// Wakes all. No lock is held meanwhile, and a panic of a waker ends here.
    pub(crate) fn wake(&self) {
        for waker in &*self.list() {
            drop(catch_panic(|| waker.wake_by_ref()));
        }
    }

    fn list(&self) -> Arc<[Waker]> {
        let State { wakers, list } = &mut *lock(&self.0);
        Arc::clone(list.get_or_insert_with(|| wakers.values().cloned().collect()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Waits begin and end by the thousand: a wait costs no copy of the others' wakers.
    #[test]
    fn a_change_copies_no_list() {
        let (wakers, counts) = (Wakers::default(), [(); 1_000].map(|()| Arc::<Count>::default()));
        for count in &counts {
            wakers.add(&Waker::from(Arc::clone(count)));
            assert!(lock(&wakers.0).list.is_none());
            // The test's own, and one here.
            assert_eq!(Arc::strong_count(count), 2);
        }
        wakers.add(&Waker::from(Arc::clone(&counts[0])));
        assert!(Arc::ptr_eq(&wakers.list(), &wakers.list()), "without a change, waking copies nothing");
        wakers.wake();
        for count in &counts {
            assert_eq!(count.0.load(Ordering::SeqCst), 1);
            wakers.remove(&Waker::from(Arc::clone(count)));
            assert_eq!(Arc::strong_count(count), 1);
        }
        assert!(wakers.is_empty());
        wakers.wake();
        assert!(counts.iter().all(|count| count.0.load(Ordering::SeqCst) == 1));
    }
}

//! Whether a thread holds a store for writing: a handler on it that waits for another thread could wait for itself.

use std::cell::Cell;
use std::marker::PhantomData;

thread_local! {
    /// How many stores this thread holds.
    static HELD: Cell<u32> = const { Cell::new(0) };
}

/// This thread holds a store, for as long as this lives.
pub(crate) struct Held(PhantomData<*const ()>);

impl Held {
    pub(crate) fn new() -> Self {
        HELD.set(HELD.get() + 1);
        Self(PhantomData)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.set(HELD.get() - 1);
    }
}

/// Whether this thread holds a store.
pub(crate) fn is_any_held() -> bool {
    HELD.get() > 0
}

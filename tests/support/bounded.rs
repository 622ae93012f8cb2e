//! Waits of tests. Each has an end, so no test keeps others from their turn.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a test waits for comes sooner, on a busy machine too.
pub(crate) const LONGEST: Duration = Duration::from_mins(5);

/// Waits until something holds.
///
/// # Panics
///
/// At the caller's place, if it does not hold in time.
#[track_caller]
pub(crate) fn wait_until(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONGEST, "it does not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sets a flag when it is dropped, also by a panic: threads that run until then would keep their scope from its end.
pub(crate) struct SetOnDrop<'a>(pub(crate) &'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

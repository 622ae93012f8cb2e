//! Helpers that run many threads at once.

use std::panic::resume_unwind;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// How many threads use a store at once.
pub(super) const THREADS: usize = 8;

/// Runs `work` in [`THREADS`] threads that begin together, and returns the result of each.
pub(super) fn at_once<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let begin = Barrier::new(THREADS);
    thread::scope(|scope| {
        let (begin, work) = (&begin, &work);
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    begin.wait();
                    work(thread)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// Runs `read` repeatedly while any of `writers` threads runs `write`, and at least once after that.
pub(super) fn while_writing(writers: usize, write: impl Fn(usize) + Sync, mut read: impl FnMut()) {
    let written = AtomicBool::new(false);
    thread::scope(|scope| {
        let (write, written) = (&write, &written);
        let threads: Vec<_> = (0..writers).map(|thread| scope.spawn(move || write(thread))).collect();
        // A separate thread joins the writers, so that the loop also ends if a writer panics.
        let watch = scope.spawn(move || {
            let ends: Vec<_> = threads.into_iter().map(thread::ScopedJoinHandle::join).collect();
            written.store(true, Ordering::Release);
            ends.into_iter().find_map(Result::err)
        });
        loop {
            let last = written.load(Ordering::Acquire);
            read();
            if last {
                break;
            }
        }
        match watch.join() {
            Ok(None) => {}
            Ok(Some(panic)) | Err(panic) => resume_unwind(panic),
        }
    });
}

//! For tests that block: a gate, and an end for what could wait without end.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Waker};
use std::thread;

use crate::LONG;

/// Runs `work`, and fails if it does not end.
pub(crate) fn ends(work: impl FnOnce() + Send + 'static) {
    let (done, is_done) = channel();
    let worker = thread::spawn(move || {
        work();
        // The test may have failed meanwhile.
        let _ = done.send(());
    });
    assert_ne!(is_done.recv_timeout(LONG), Err(RecvTimeoutError::Timeout), "it waits without end");
    worker.join().unwrap();
}

pub(crate) fn poll_once<F: Future>(future: &mut Pin<Box<F>>) -> bool {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// A door that is closed at first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar, AtomicUsize)>);

impl Gate {
    pub(crate) fn pass(&self) {
        self.0.2.fetch_add(1, Ordering::SeqCst);
        drop(self.0.1.wait_timeout_while(self.0.0.lock().unwrap(), LONG, |is_open| !*is_open).unwrap());
    }

    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub(crate) fn arrived(&self) -> usize {
        self.0.2.load(Ordering::SeqCst)
    }
}

/// More than the threads that work for factum.
pub(crate) fn many() -> usize {
    4 * thread::available_parallelism().map_or(1, usize::from)
}

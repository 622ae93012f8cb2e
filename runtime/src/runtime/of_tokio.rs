//! With the feature `tokio`: the runtime that `async` handlers run on.

use std::future::Future;

use tokio::runtime::{EnterGuard, Handle};

/// A runtime of the caller's.
#[derive(Debug, Clone)]
pub(crate) struct Runtime(Handle);

impl Runtime {
    /// The runtime that this thread belongs to, or has entered.
    pub(crate) fn current() -> Option<Self> {
        Handle::try_current().ok().map(Self)
    }

    /// Makes this thread part of the runtime for as long as the result lives.
    pub(crate) fn enter(&self) -> EnterGuard<'_> {
        self.0.enter()
    }

    /// Polls a future on this thread until it is ready. Its timers, its sockets and the tasks that it spawns are the runtime's.
    ///
    /// Panics on a thread that polls a task of a runtime: it must not block.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }
}

/// The feature is on.
pub trait FeatureTokio {}

/// What `async` handlers run on.
#[derive(Debug)]
pub enum OnTokio {}

impl FeatureTokio for OnTokio {}

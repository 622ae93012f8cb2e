//! The locks, atomics and threads of the lanes and of the group commit.
//!
//! They are those of the standard library. Under the model checker (`tests/model`), its scheduler chooses which thread
//! runs next, and which waits time out.

#[cfg(not(factum_shuttle))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64};
#[cfg(not(factum_shuttle))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(factum_shuttle))]
pub(crate) use std::thread;

#[cfg(factum_shuttle)]
pub(crate) use crate::model::sync::{AtomicBool, AtomicU64, Condvar, Mutex, MutexGuard, lock, thread};
#[cfg(not(factum_shuttle))]
pub(crate) use crate::store::lock::lock;

//! Renews a lease while its holder is busy.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};

use crate::follow::error::FollowError;
use crate::follow::lease::LeaseHolder;
use crate::follow::progress_store::ProgressStore;

/// A thread that renews a lease until the keeper is dropped, however busy the holder is. It does not take the
/// lease.
#[derive(Debug)]
pub(crate) struct LeaseKeeper {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl LeaseKeeper {
    /// Fails if the system can't start a thread.
    pub(crate) fn start<P: ProgressStore>(progress: P, holder: LeaseHolder) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let keep = move || {
            while stopped.recv_timeout(holder.lasts / 3) == Err(RecvTimeoutError::Timeout) {
                // After a failure, the keeper tries again in a third of the lease.
                let _ = progress.renew_lease(&holder);
            }
        };
        let thread = thread::Builder::new().name("factum: lease".into()).spawn(keep)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for LeaseKeeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Runs `work` while a keeper renews the holder's lease, then releases the lease.
pub(crate) fn while_kept<P: ProgressStore, T, E: From<FollowError>>(
    progress: &P,
    follower: &'static str,
    holder: &LeaseHolder,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let keeper = LeaseKeeper::start(progress.clone(), holder.clone())
        .map_err(|source| FollowError::Thread { follower, source })?;
    let result = work();
    drop(keeper);
    // If the release fails, the next holder waits until the lease ends.
    let _ = progress.release_lease(holder);
    result
}

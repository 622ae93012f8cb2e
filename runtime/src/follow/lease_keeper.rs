//! Renews a lease while its holder is busy.

use std::io;
use std::time::Instant;

use crate::follow::error::FollowError;
use crate::follow::lease::LeaseHolder;
use crate::follow::pool::{Task, TaskId};
use crate::follow::progress_store::ProgressStore;

/// Renews a lease until the keeper is dropped, however busy the holder is. It does not take the lease.
#[derive(Debug)]
pub(crate) struct LeaseKeeper(TaskId);

struct Renewal<P> {
    progress: P,
    holder: LeaseHolder,
}

impl LeaseKeeper {
    /// Fails if the system can't start a thread.
    pub(crate) fn start<P: ProgressStore>(progress: P, holder: LeaseHolder) -> io::Result<Self> {
        let (task, first) = (TaskId::reserve(), Instant::now() + holder.lasts / 3);
        task.start(Renewal { progress, holder }, first)?;
        Ok(Self(task))
    }
}

impl<P: ProgressStore> Task for Renewal<P> {
    fn is_urgent(&self) -> bool {
        true
    }

    fn run(&mut self) -> Option<Instant> {
        // After a failure, the keeper tries again in a third of the lease.
        let _ =
            self.progress.in_renewal(|transaction| P::renew_lease(transaction, &self.holder), |error| error);
        Some(Instant::now() + self.holder.lasts / 3)
    }
}

impl Drop for LeaseKeeper {
    fn drop(&mut self) {
        self.0.end();
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

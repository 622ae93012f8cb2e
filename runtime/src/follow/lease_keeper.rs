//! Renews the leases that the runners of a process hold in one database, all in one commit.
//!
//! The same transaction looks whether a parked follower has to run: its task is not woken for a lease.

use std::sync::{Arc, Mutex, OnceLock};
use std::task::Waker;
use std::time::{Duration, Instant};
use std::{fmt, io, slice};

use crate::domain::panic::catch_panic;
use crate::domain::position::Position;
use crate::follow::checkpoint;
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::FollowError;
use crate::follow::lease::{LeaseAnswer, LeaseHolder, LeaseInfo};
use crate::follow::pool::{Task, TaskId};
use crate::follow::progress_store::ProgressStore;
use crate::store::error::StoreError;
use crate::store::event_store::EventStore;
use crate::store::lock::lock;
use crate::store::partition::Partition;

/// The leases in one database that are renewed, however busy their holders are.
#[derive(Debug, Default)]
pub(crate) struct LeaseKeeper {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    leases: Vec<Arc<Kept>>,
    /// The task that renews while there are leases, and when it does so next.
    task: Option<(TaskId, Instant)>,
}

#[derive(Debug)]
struct Kept {
    holder: LeaseHolder,
    /// The workers that are parked.
    parked: Mutex<Vec<Parked>>,
}

/// Where a worker is parked that has seen everything.
pub(crate) struct Parked {
    pub(crate) definition: FollowerDefinition,
    pub(crate) partition: Partition,
    pub(crate) position: Position,
    /// The store of the events, if it is not in the database.
    pub(crate) source: Option<Arc<dyn EventStore>>,
    pub(crate) waker: Waker,
    /// The worker has to take a step.
    pub(crate) needs_step: bool,
}

/// A lease that is renewed until this is dropped, while its holder has it.
#[derive(Debug)]
pub(crate) struct KeptLease {
    keeper: Arc<LeaseKeeper>,
    kept: Arc<Kept>,
}

struct Renewal<P> {
    progress: P,
    keeper: Arc<LeaseKeeper>,
}

/// A lease may be longer than the clock can count.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// When the renewals of a process begin to count.
static BEGUN: OnceLock<Instant> = OnceLock::new();

/// The time of the next renewal, at most `wait` from now, and mostly that. The renewals of all databases come together: to wake
/// for one takes about as long as the renewal.
fn together(now: Instant, wait: Duration) -> Instant {
    let wait = wait.min(LONGEST_WAIT);
    let (begun, unit) = (*BEGUN.get_or_init(|| now), (wait / 2).as_nanos().max(1));
    let latest = now + wait;
    let beyond = latest.saturating_duration_since(begun).as_nanos() % unit;
    let beyond = u64::try_from(beyond).map(Duration::from_nanos).unwrap_or_default();
    latest.checked_sub(beyond).unwrap_or(latest)
}

impl LeaseKeeper {
    /// Renews the lease from now on. Does not take it.
    ///
    /// Fails if the system can't start a thread.
    pub(crate) fn keep<P: ProgressStore>(progress: &P, holder: &LeaseHolder) -> io::Result<KeptLease> {
        let keeper = Arc::clone(progress.lease_keeper());
        let holder = holder.clone();
        let due = together(Instant::now(), holder.renew_after());
        let kept = Arc::new(Kept { holder, parked: Mutex::default() });
        let mut state = lock(&keeper.state);
        match &mut state.task {
            None => {
                let task = TaskId::reserve();
                task.start(Renewal { progress: progress.clone(), keeper: Arc::clone(&keeper) }, due)?;
                state.task = Some((task, due));
            }
            Some((task, next)) if due < *next => {
                *next = due;
                task.waker().wake();
            }
            Some(_) => {}
        }
        state.leases.push(Arc::clone(&kept));
        drop(state);
        Ok(KeptLease { keeper, kept })
    }
}

impl<P: ProgressStore> Task for Renewal<P> {
    fn is_urgent(&self) -> bool {
        true
    }

    fn run(&mut self) -> Option<Instant> {
        let state = lock(&self.keeper.state);
        let (_, due) = state.task?;
        if Instant::now() < due {
            return Some(due);
        }
        let held: Vec<_> = state.leases.iter().filter(|lease| lease.holder.is_held()).cloned().collect();
        drop(state);
        let is_renewed = held.is_empty() || {
            let renew = |transaction: &P::Transaction<'_>| {
                held.iter().try_for_each(|lease| lease.renew::<P>(transaction))
            };
            self.progress.in_renewal(renew, |error| error).is_ok()
        };
        let mut state = lock(&self.keeper.state);
        let wait = state.leases.iter().map(|lease| lease.holder.renew_after()).min()?;
        // After a failure, there is time for some more tries before the leases end.
        let now = Instant::now();
        let next = if is_renewed { together(now, wait) } else { now + wait / 4 };
        if let Some((_, due)) = &mut state.task {
            *due = next;
        }
        Some(next)
    }
}

impl Kept {
    fn renew<P: ProgressStore>(&self, transaction: &P::Transaction<'_>) -> Result<(), StoreError> {
        let has_lease = P::renew_lease(transaction, &self.holder)?;
        self.holder.set_held(has_lease);
        for parked in lock(&self.parked).iter_mut() {
            if !(has_lease && parked.may_stay::<P>(transaction)) {
                parked.needs_step = true;
                parked.waker.wake_by_ref();
            }
        }
        Ok(())
    }
}

impl Parked {
    /// Whether the worker has nothing to do: another process may have moved its partition, or handled the letter that
    /// others wait for.
    fn may_stay<P: ProgressStore>(&self, transaction: &P::Transaction<'_>) -> bool {
        let may_stay = || {
            let follower = self.definition.name;
            let positions = checkpoint::require_in::<P>(transaction, &self.definition)?;
            if let Some(source) = self.source.as_deref() {
                positions.check(source, follower)?;
            }
            let waits =
                P::has_sequenced_letters(transaction, follower).map_err(FollowError::store(follower))?;
            Ok::<_, FollowError>(positions.of(self.partition) == Some(self.position) && !waits)
        };
        // The worker's step reports the error, or the panic of a store of the user's. Here, it would end all renewals.
        matches!(catch_panic(may_stay), Ok(Ok(true)))
    }
}

impl fmt::Debug for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parked").field("position", &self.position).finish_non_exhaustive()
    }
}

impl KeptLease {
    /// A worker is parked from now on.
    pub(crate) fn park(&self, worker: Parked) {
        self.unpark(worker.partition);
        lock(&self.kept.parked).push(worker);
    }

    /// The worker of a partition is not parked any more.
    pub(crate) fn unpark(&self, partition: Partition) {
        lock(&self.kept.parked).retain(|worker| worker.partition != partition);
    }

    /// Whether the parked worker of a partition has to take a step.
    pub(crate) fn needs_step(&self, partition: Partition) -> bool {
        lock(&self.kept.parked).iter().any(|worker| worker.partition == partition && worker.needs_step)
    }
}

impl Drop for KeptLease {
    fn drop(&mut self) {
        let mut state = lock(&self.keeper.state);
        state.leases.retain(|lease| !Arc::ptr_eq(lease, &self.kept));
        let task = if state.leases.is_empty() { state.task.take() } else { None };
        drop(state);
        // The task has a handle of the database.
        if let Some((task, _)) = task {
            task.end();
        }
    }
}

impl LeaseHolder {
    /// Takes or renews the lease in the transaction of the work that it protects; the lease of another holder if that has it.
    pub(crate) fn take<P: ProgressStore>(
        &self,
        transaction: &P::Transaction<'_>,
    ) -> Result<Option<LeaseInfo>, StoreError> {
        let answer = P::take_lease(transaction, self)?;
        self.set_held(answer == LeaseAnswer::Taken);
        Ok(match answer {
            LeaseAnswer::Taken => None,
            LeaseAnswer::HeldBy(other) => Some(other),
        })
    }
}

/// Runs `work` while the holder's lease is kept, then releases the lease.
pub(crate) fn while_kept<P: ProgressStore, T, E: From<FollowError>>(
    progress: &P,
    follower: &'static str,
    holder: &LeaseHolder,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let kept =
        LeaseKeeper::keep(progress, holder).map_err(|source| FollowError::Thread { follower, source })?;
    let result = work();
    drop(kept);
    // If the release fails, the next holder waits until the lease ends.
    let _ = progress.release_leases(slice::from_ref(holder));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewals_come_together_and_never_late() {
        let (wait, unit) = (Duration::from_secs(5), Duration::from_millis(2_500));
        let first = together(Instant::now(), wait);
        for millis in (0..5_000).step_by(13) {
            let now = first + Duration::from_millis(millis);
            let next = together(now, wait);
            assert!(next <= now + wait && next + unit > now + wait, "{millis}");
            assert_eq!(next.duration_since(first).as_nanos() % unit.as_nanos(), 0, "{millis}");
        }
    }
}

//! Rebuilds a view, while readers see the old one until the new one replaces it.
//!
//! One program rebuilds a view at a time: that with the lease of the rebuild. A newer version takes the lease from
//! an older one. A program that has lost the lease notices it between two batches, and waits for the winner.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::new_id::new_id;
use crate::domain::position::Position;
use crate::follow::checkpoint::FoundCheckpoint;
use crate::follow::control::Control;
use crate::follow::definition::FollowerDefinition;
use crate::follow::engine::Engine;
use crate::follow::error::{FollowError, ProjectionError};
use crate::follow::lease::{LeaseAnswer, LeaseHolder};
use crate::follow::policy::RetryPolicy;
use crate::follow::progress::CaughtUp;
use crate::follow::progress_store::ProgressHome;
use crate::follow::projection::Projection;
use crate::follow::view_store::{TableTarget, ViewStore};
use crate::follow::{checkpoint, lease_keeper};

/// How many events may be left at most when the new view replaces the old one: the transaction of the swap
/// projects them.
const NEAR_THE_END: u64 = 5_000;

/// With so few events left, another round outside of that transaction is not worth it.
const AT_THE_END: u64 = 50;

/// After how many positions each worker checks whether the rebuild still has its lease.
const BETWEEN_CHECKS: u64 = 4_000;

/// The settings of a rebuild.
pub(crate) struct Rebuild<'r> {
    pub(crate) control: &'r Control,
    pub(crate) policy: &'r RetryPolicy,
    /// How long other processes wait after the process that rebuilds the view has died.
    pub(crate) lease: Duration,
    /// Whether to rebuild a view of the present version too.
    pub(crate) is_forced: bool,
}

impl Rebuild<'_> {
    /// Rebuilds the view, or resumes its rebuild; `None` if another process has rebuilt it.
    pub(crate) fn run<P: Projection<Target: TableTarget<S>>, S: ViewStore>(
        &self,
        engine: &mut Engine<P, S>,
    ) -> Result<Option<CaughtUp>, ProjectionError> {
        let progress = engine.home.progress.clone();
        let holder = LeaseHolder::new(format!("{} (rebuild)", P::NAME), self.lease);
        lease_keeper::while_kept(&progress, P::NAME, &holder, || {
            while let Some(id) = self.take_turn(engine, &holder)? {
                match P::Target::build(self, engine, &holder, id) {
                    Ok(None) => {}
                    // The program that has taken over may have removed the new view under this one.
                    Err(_) if !is_ours(&engine.home, &engine.definition, &holder, id)? => {}
                    result => return result,
                }
            }
            Ok(None)
        })
    }

    /// Waits until no other process rebuilds the view. Returns the id of the rebuild to resume, or a new one;
    /// `None` if the view needs no rebuild.
    fn take_turn<P: Projection, S: ViewStore>(
        &self,
        engine: &Engine<P, S>,
        holder: &LeaseHolder,
    ) -> Result<Option<Uuid>, ProjectionError> {
        let (home, definition, follower) = (&engine.home, &engine.definition, P::NAME);
        while !self.control.is_stopping() {
            let turn = home.in_transaction(follower, |transaction| {
                let failed = FollowError::store(follower);
                match checkpoint::find_in::<S>(transaction, definition)? {
                    FoundCheckpoint::Nothing => return Err(FollowError::CheckpointMissing { follower }),
                    FoundCheckpoint::Current(_) if !self.is_forced => return Ok(RebuildTurn::Done),
                    FoundCheckpoint::Current(_) | FoundCheckpoint::Older { .. } => {}
                }
                if let LeaseAnswer::HeldBy(other) = S::take_lease(transaction, holder).map_err(failed)? {
                    if S::rebuilt_version(transaction, follower)
                        .map_err(failed)?
                        .is_none_or(|version| version >= definition.version)
                    {
                        self.control.report_lease(0, Some(other));
                        return Ok(RebuildTurn::Wait);
                    }
                    S::seize_lease(transaction, holder).map_err(failed)?;
                }
                holder.set_held(true);
                self.control.report_lease(0, None);
                if let Some(id) = S::rebuild(transaction, definition).map_err(failed)? {
                    return Ok(RebuildTurn::Ours(id));
                }
                let id = new_id();
                S::save_rebuild(transaction, definition, id).map_err(failed)?;
                Ok(RebuildTurn::Ours(id))
            });
            match turn {
                Ok(RebuildTurn::Ours(id)) => return Ok(Some(id)),
                Ok(RebuildTurn::Done) => return Ok(None),
                Ok(RebuildTurn::Wait) => {
                    self.control.pause((self.lease / 4).min(Duration::from_millis(500)));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let goal = home.newest(follower)?;
        Err(FollowError::Stopped { follower, position: Position::START, goal }.into())
    }

    /// Projects the events into the new view, whose progress is in `beside`, until it is near the end of the store. Returns how
    /// many there were; `None` if another process has taken over.
    pub(crate) fn project<P: Projection<Target: TableTarget<S>>, S: ViewStore>(
        &self,
        engine: &mut Engine<P, S>,
        beside: &ProgressHome<S>,
        mut is_ours: impl FnMut() -> Result<bool, ProjectionError>,
    ) -> Result<Option<u64>, ProjectionError> {
        let follower = engine.definition.name;
        let (mut events, mut left_before) = (0, u64::MAX);
        loop {
            let after = checkpoint::require(&beside.progress, &engine.definition)?.position();
            let goal = beside.newest(follower)?;
            self.control.begin_report(Position::START, after, goal);
            self.control.begin_hidden(engine.handlers.len(), after);
            let mut reached = after;
            while reached < goal {
                if !is_ours()? {
                    return Ok(None);
                }
                reached = goal.min(reached.forward(BETWEEN_CHECKS * engine.handlers.len() as u64));
                events += self.run_to(engine, beside, reached, goal)?;
            }
            let left = beside.newest(follower)?.distance_from(goal);
            if left <= AT_THE_END || (left <= NEAR_THE_END && left >= left_before) {
                return Ok(Some(events));
            }
            left_before = left;
        }
    }

    /// Projects the events up to `reached`, on the way to `goal`. Returns how many there were.
    fn run_to<P: Projection<Target: TableTarget<S>>, S: ViewStore>(
        &self,
        engine: &mut Engine<P, S>,
        beside: &ProgressHome<S>,
        reached: Position,
        goal: Position,
    ) -> Result<u64, FollowError> {
        match engine.run_to(beside, reached, self.control, self.policy, None) {
            Ok(caught_up) => Ok(caught_up.events),
            Err(FollowError::Stopped { follower, position, .. }) => {
                Err(FollowError::Stopped { follower, position, goal })
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether the rebuild `id` is still the one under way, and no other program has taken its lease.
///
/// Fails if a newer version has made the view in the meantime.
pub(crate) fn is_ours<S: ViewStore>(
    home: &ProgressHome<S>,
    definition: &FollowerDefinition,
    holder: &LeaseHolder,
    id: Uuid,
) -> Result<bool, ProjectionError> {
    checkpoint::find(&home.progress, definition)?;
    let is_ours = home.progress.is_rebuilt_by(definition, holder, id);
    Ok(is_ours.map_err(FollowError::store(definition.name))?)
}

enum RebuildTurn {
    /// This process rebuilds the view, with this id.
    Ours(Uuid),
    /// Another process rebuilds the view.
    Wait,
    /// The view needs no rebuild.
    Done,
}

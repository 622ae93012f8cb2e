//! Inline projections, which run in the transaction of each append.
//!
//! A view's own trouble must not stop appends that have nothing to do with it. So the events of other writers come
//! first, by themselves: if one of them fails, the append is stored without the view. The view then stays before
//! that event. The events of the append itself come after that: if one of them fails, so does the append.
//!
//! While a view catches up, other processes wait for the file. If that takes longer than a batch of a follower, the
//! append is undone, the view catches up in batches, and the append is tried again (`sqlite/store/hook_batches.rs`).

use std::sync::Arc;

use rusqlite::Transaction;

use crate::domain::error::BoxError;
use crate::domain::panic::discard;
use crate::domain::position::Position;
use crate::follow::batch::Bounds;
use crate::follow::checkpoint;
use crate::follow::error::{FollowError, ProjectionError};
use crate::follow::inline_view::InlineState;
use crate::follow::projection::Projection;
use crate::follow::step;
use crate::follow::step::{Opening, Step};
use crate::sqlite::file::errors::store_error;
use crate::sqlite::projection::batch::{PartitionSource, WINDOW, project};
use crate::sqlite::projection::target::SqliteTarget;
use crate::sqlite::store::hook_batches::BatchTime;
use crate::sqlite::store::hooks::{AppendHook, HookLimit, HookProgress};
use crate::sqlite::store::{SqliteStore, read};
use crate::store::partition::Partition;
use crate::store::written::Written;

/// A projection that the store runs in its appends.
pub(super) struct InlineProjection<P> {
    projection: P,
    state: InlineState,
    /// An event of another writer whose handler has ended the transaction, and with it the append, or whose writes
    /// can't be committed. It is not tried again before the program starts again.
    blocked: Option<Blocked>,
    /// What was projected before an event of another writer that has failed just now.
    before_failure: HookProgress,
    /// That event, if it has failed in a batch. The append that follows does not try it once more.
    failed: Option<Position>,
}

#[derive(Debug)]
struct Blocked {
    position: Position,
    /// Why the commit was refused, if it was.
    refused: Option<String>,
}

impl Blocked {
    fn error(&self, follower: &'static str) -> FollowError {
        let position = self.position;
        match &self.refused {
            Some(refused) => {
                FollowError::CommitRefused { follower, position, source: refused.clone().into() }
            }
            None => FollowError::RolledBack { follower, position },
        }
    }
}

impl<P: Projection<Target: SqliteTarget> + Send + 'static> InlineProjection<P> {
    pub(super) fn new(projection: P, state: InlineState) -> Self {
        Self { projection, state, blocked: None, before_failure: HookProgress::default(), failed: None }
    }

    /// Brings the view up to date, and registers it as a hook of later appends.
    pub(super) fn register(mut self, store: &SqliteStore) -> Result<(), ProjectionError> {
        let failed = FollowError::store(P::NAME);
        let store_failed = |source| ProjectionError::from(failed(source));
        let hooks = || {
            let hooks = store.append_hooks();
            if hooks.iter().any(|hook| hook.name() == P::NAME) {
                return Err(ProjectionError::AlreadyInline { projection: P::NAME });
            }
            Ok(hooks)
        };
        // Mostly there is nothing to do, and no lock of the file is needed.
        let current = |transaction: &Transaction<'_>| {
            let hooks = hooks()?;
            let seen = checkpoint::require_in::<SqliteStore>(transaction, &self.state.definition)?.position();
            Ok((seen >= read::position(transaction).map_err(failed)?).then_some(hooks))
        };
        let current = store.beside_other_processes(current, store_failed)?;
        if let Some(mut hooks) = current {
            hooks.push(Box::new(self));
            return Ok(());
        }
        let mut time = BatchTime::default();
        loop {
            let batch = |transaction: &Transaction<'_>| {
                let hooks = hooks()?;
                let newest = read::position(transaction).map_err(failed)?;
                let progress = self.project(transaction, newest, time.limit())?;
                Ok((progress.left, hooks))
            };
            // No append comes between the commit and the registration: the hooks are locked.
            let (left, mut hooks) = store.in_batch(batch, store_failed)?;
            if left == 0 {
                hooks.push(Box::new(self));
                return Ok(());
            }
            time.lengthen_unless_nearer(left);
        }
    }

    /// Projects the events that the view has not seen, up to the position `goal`.
    fn project(
        &mut self,
        transaction: &Transaction<'_>,
        goal: Position,
        limit: HookLimit,
    ) -> Result<HookProgress, FollowError> {
        let mut done = HookProgress::default();
        loop {
            let opening = step::open::<SqliteStore>(
                transaction,
                &self.state.definition,
                None,
                (Partition::WHOLE, false),
                goal,
                |_| Ok(true),
            )?;
            let share = match opening {
                // The streams were split for workers, and are one partition again.
                Opening::Over(Step::More(_)) => continue,
                Opening::Over(_) => return Ok(done),
                Opening::Handle(share) if share.is_done() => return Ok(done),
                Opening::Handle(share) => share,
            };
            let until = if limit.deadline.is_some() && share.goal > share.after.forward(WINDOW) {
                let next = read::next_position(transaction, share.after);
                share.until(WINDOW, next.map_err(FollowError::store(P::NAME))?)
            } else {
                share.goal
            };
            let source = PartitionSource { source: None, partition: share.partition, after: share.after };
            let bounds = Bounds { until, limit: limit.events, deadline: limit.deadline };
            let InlineState { definition, hooks, .. } = &self.state;
            let watch = hooks.watch(Position::START, 0);
            let batch = project(&mut self.projection, watch, definition, transaction, &source, bounds)
                .map_err(|failed| failed.error)?;
            done = HookProgress {
                events: done.events + batch.events,
                last: batch.last,
                left: goal.distance_from(batch.position),
            };
            if share.partition == Partition::WHOLE || batch.position < share.goal {
                return Ok(done);
            }
        }
    }

    /// Projects the events of other writers, up to the position `until`.
    ///
    /// After an error of one event, the view is before that event.
    fn project_others(
        &mut self,
        transaction: &Transaction<'_>,
        until: Position,
        limit: HookLimit,
    ) -> Result<HookProgress, FollowError> {
        self.before_failure = HookProgress::default();
        let seen = checkpoint::require_in::<SqliteStore>(transaction, &self.state.definition)?.position();
        if seen >= until {
            return Ok(HookProgress::default());
        }
        let failed = |error| FollowError::Store { follower: P::NAME, source: store_error(error) };
        let goal = self.blocked.as_ref().map_or(until, |blocked| until.min(blocked.position.previous()));
        transaction.execute_batch("SAVEPOINT factum_others").map_err(failed)?;
        let result = self.project(transaction, goal, limit);
        let error = match result {
            Ok(done) => {
                transaction.execute_batch("RELEASE factum_others").map_err(failed)?;
                return match &self.blocked {
                    Some(blocked) if goal < until && done.left == 0 => Err(blocked.error(P::NAME)),
                    _ => Ok(done),
                };
            }
            Err(error) => error,
        };
        let undo = || {
            if transaction.is_autocommit() {
                return Ok(());
            }
            transaction.execute_batch("ROLLBACK TO factum_others").map_err(failed)
        };
        undo()?;
        if let Some(position) = error.position()
            && !transaction.is_autocommit()
        {
            match self.project(transaction, position.previous(), HookLimit::NONE) {
                Ok(done) => self.before_failure = done,
                Err(again) => {
                    discard(again);
                    undo()?;
                }
            }
        }
        if transaction.is_autocommit() {
            self.blocked = error.position().map(|position| Blocked { position, refused: None });
        } else {
            transaction.execute_batch("RELEASE factum_others").map_err(failed)?;
        }
        Err(error)
    }

    /// Whether the view stays before an event that has failed in the batch before this append.
    fn stays_behind(&mut self, transaction: &Transaction<'_>) -> bool {
        let Some(failed) = self.failed.take() else { return false };
        checkpoint::require_in::<SqliteStore>(transaction, &self.state.definition)
            .is_ok_and(|seen| seen.position() == failed.previous())
    }

    fn run(
        &mut self,
        transaction: &Transaction<'_>,
        written: &Written<'_>,
        limit: HookLimit,
    ) -> Result<HookProgress, FollowError> {
        if self.stays_behind(transaction) {
            return Ok(HookProgress::default());
        }
        let newest = read::position(transaction).map_err(FollowError::store(P::NAME))?;
        let others = written.first_position().map_or(newest, Position::previous);
        let done = match self.project_others(transaction, others, limit) {
            Ok(done) if done.left > 0 => return Ok(done),
            Ok(done) => done,
            Err(error) if !transaction.is_autocommit() && self.state.lets_pass(&error, written) => {
                self.state.fall_behind(error);
                return Ok(self.before_failure);
            }
            Err(error) => return Err(error),
        };
        self.project(transaction, newest, HookLimit::NONE)?;
        self.state.is_up_to_date();
        Ok(done)
    }
}

impl<P: Projection<Target: SqliteTarget> + Send + 'static> AppendHook for InlineProjection<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn run(
        &mut self,
        transaction: &Transaction<'_>,
        written: &Written<'_>,
        limit: HookLimit,
    ) -> Result<HookProgress, BoxError> {
        Ok(self.run(transaction, written, limit)?)
    }

    fn catch_up(
        &mut self,
        transaction: &Transaction<'_>,
        limit: HookLimit,
    ) -> Result<HookProgress, FollowError> {
        let newest = read::position(transaction).map_err(FollowError::store(P::NAME))?;
        match self.project_others(transaction, newest, limit) {
            Err(error) if error.is_of_view() && !transaction.is_autocommit() => {
                self.failed = error.position();
                self.state.fall_behind(error);
                Ok(self.before_failure)
            }
            result => result,
        }
    }

    fn stop_before(&mut self, position: Position, refused: BoxError) {
        self.blocked = Some(Blocked { position, refused: Some(refused.to_string()) });
    }

    fn trouble(&self) -> Option<Arc<FollowError>> {
        self.state.trouble().cloned()
    }
}

//! Inline projections, which run in the transaction of each append.
//!
//! A view's own trouble must not stop appends that have nothing to do with it. So the events of other writers come first, by
//! themselves: if one of them fails, the append is tried again without the view, which stays before that event. The events
//! of the append itself come after that: if one of them fails, so does the append.
//!
//! While an append is under way, those of other programs wait. So a view that is far behind catches up in transactions of its
//! own first, and the append is tried again.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain::position::Position;
use crate::follow::batch::Bounds;
use crate::follow::checkpoint;
use crate::follow::error::{FollowError, ProjectionError};
use crate::follow::inline_view::InlineState;
use crate::follow::progress_store::{ProgressHome, ProgressStore as _};
use crate::follow::projection::Projection;
use crate::follow::step;
use crate::follow::step::{Opening, Step};
use crate::follow::view_store::ViewStore as _;
use crate::postgres::projection::batch::{project, project_written, refused_by_server};
use crate::postgres::projection::target::PostgresTarget;
use crate::postgres::store::PostgresStore;
use crate::postgres::store::hooks::{AppendHook, Stopped};
use crate::postgres::transaction::PostgresTransaction;
use crate::store::partition::Partition;
use crate::store::written::Written;

/// How many positions a view may be behind if the append itself is to bring it up to date.
const NEAR: u64 = 500;

/// How many events one transaction of a view that catches up has at most.
const BATCH: usize = 4_000;

/// How often appends try an event of another writer again that has failed.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// A projection that the store runs in its appends.
struct InlineProjection<P> {
    projection: P,
    state: InlineState,
    /// When the view has failed last.
    failed_at: Option<Instant>,
    /// Whether the next append is stored without the view.
    is_passed_over: bool,
}

/// Updates the view in each append to the store from now on.
pub(super) fn register<P: Projection<Target: PostgresTarget> + Send + 'static>(
    store: &PostgresStore,
    projection: P,
    state: InlineState,
) -> Result<(), ProjectionError> {
    let mut inline = InlineProjection { projection, state, failed_at: None, is_passed_over: false };
    let all = store.hooks().lock();
    if all.iter().any(|hook| hook.name() == P::NAME) {
        return Err(ProjectionError::AlreadyInline { projection: P::NAME });
    }
    inline.catch_up(store, None)?;
    let added = store.add_hook(all, Box::new(inline));
    Ok(added.map_err(|source| FollowError::Thread { follower: P::NAME, source })?)
}

/// What a transaction has left.
struct Left {
    /// How many positions the view is behind.
    positions: u64,
}

impl<P: Projection<Target: PostgresTarget> + Send + 'static> InlineProjection<P> {
    /// Projects the events of other writers that the view has not seen, up to the position `goal`.
    fn project(
        &mut self,
        transaction: &PostgresTransaction,
        goal: Position,
        bounds: Bounds,
    ) -> Result<Left, FollowError> {
        let home = ProgressHome::new(transaction.store().clone(), None);
        loop {
            let opening = step::open::<PostgresStore>(
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
                Opening::Over(_) => return Ok(Left { positions: 0 }),
                Opening::Handle(share) if share.is_done() => return Ok(Left { positions: 0 }),
                Opening::Handle(share) => share,
            };
            let bounds = Bounds { until: share.goal.min(bounds.until), ..bounds };
            let InlineState { definition, hooks, .. } = &self.state;
            let watch = hooks.watch(Position::START, 0);
            let (here, from) = ((transaction, &home), (share.partition, share.after));
            let batch = project(&mut self.projection, watch, definition, here, from, bounds)
                .map_err(|failed| failed.error)?;
            if share.partition == Partition::WHOLE || batch.position < share.goal {
                return Ok(Left { positions: goal.distance_from(batch.position) });
            }
        }
    }

    /// The position of the view. Until the transaction ends, no runner of another program moves it.
    fn locked_position(&self, transaction: &PostgresTransaction) -> Result<Position, FollowError> {
        PostgresStore::lock_positions(transaction, P::NAME, Partition::WHOLE)
            .map_err(FollowError::store(P::NAME))?;
        let positions = checkpoint::require_in::<PostgresStore>(transaction, &self.state.definition)?;
        Ok(positions.position())
    }

    /// Whether the view stays before an event that has failed a moment ago.
    fn is_stuck_at(&self, seen: Position) -> bool {
        let failed_before = self.state.trouble().and_then(|error| error.position()).map(Position::previous);
        failed_before == Some(seen) && self.failed_at.is_some_and(|at| at.elapsed() < TRY_AGAIN)
    }

    fn run_in(
        &mut self,
        transaction: &PostgresTransaction,
        written: &Written<'_>,
        is_last_round: bool,
    ) -> Result<(), Stopped> {
        if mem::take(&mut self.is_passed_over) {
            return Ok(());
        }
        let newest = PostgresStore::newest_in(transaction).map_err(Stopped::Store)?;
        let others = written.first_position().map_or(newest, Position::previous);
        let caught_up = self.locked_position(transaction).and_then(|seen| {
            if self.is_stuck_at(seen) {
                return Ok(None);
            }
            if others.distance_from(seen) > NEAR && seen < others && !is_last_round {
                return Ok(Some(false));
            }
            self.project(transaction, others, Bounds::until(others)).map(|_| Some(true))
        });
        match caught_up {
            Ok(None) => return Ok(()),
            Ok(Some(false)) => return Err(Stopped::Behind),
            Ok(Some(true)) => {}
            Err(error) if self.state.lets_pass(&error, written) => {
                self.fall_behind(error);
                self.is_passed_over = true;
                return Err(Stopped::Without);
            }
            Err(error) => return Err(stopped(error)),
        }
        if newest > others {
            let InlineState { definition, hooks, .. } = &self.state;
            let watch = hooks.watch(Position::START, 0);
            project_written(&mut self.projection, watch, definition, transaction, written, newest)
                .map_err(stopped)?;
        }
        self.state.is_up_to_date();
        Ok(())
    }
}

/// The failure of an append because of an event of its own.
fn stopped(error: FollowError) -> Stopped {
    match error {
        FollowError::Store { source, .. } => match refused_by_server(source) {
            Ok(source) => Stopped::Refused(source),
            Err(source) => Stopped::Store(source),
        },
        error => Stopped::Refused(error.into()),
    }
}

impl<P: Projection<Target: PostgresTarget> + Send + 'static> AppendHook for InlineProjection<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn run(
        &mut self,
        transaction: &PostgresTransaction,
        written: &Written<'_>,
        is_last_round: bool,
    ) -> Result<(), Stopped> {
        self.run_in(transaction, written, is_last_round)
    }

    fn catch_up(&mut self, store: &PostgresStore, until: Option<Instant>) -> Result<(), FollowError> {
        let failed = FollowError::store(P::NAME);
        let home = ProgressHome::new(store.clone(), None);
        while until.is_none_or(|until| Instant::now() < until) {
            let left = home.in_transaction(P::NAME, |transaction| {
                let seen = self.locked_position(transaction)?;
                let newest = PostgresStore::newest_in(transaction).map_err(failed)?;
                if self.is_stuck_at(seen) {
                    return Ok(Left { positions: 0 });
                }
                let deadline = Instant::now().checked_add(PostgresStore::BATCH_TIME);
                self.project(transaction, newest, Bounds { until: newest, limit: BATCH, deadline })
            });
            match left {
                Ok(left) if left.positions > 0 => {}
                Ok(_) => return Ok(()),
                Err(error) => {
                    let Some(position) = error.position() else { return Err(error) };
                    let before = position.previous();
                    let projected = home.in_transaction(P::NAME, |transaction| {
                        self.locked_position(transaction)?;
                        self.project(transaction, before, Bounds::until(before))
                    });
                    self.fall_behind(error);
                    return projected.map(drop);
                }
            }
        }
        Ok(())
    }

    fn fall_behind(&mut self, error: FollowError) {
        self.failed_at = Some(Instant::now());
        self.state.fall_behind(error);
    }

    fn trouble(&self) -> Option<Arc<FollowError>> {
        self.state.trouble().cloned()
    }
}

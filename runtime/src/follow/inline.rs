//! Inline views as followers of an application: they have no runner, as each append brings them up to date.

use std::sync::Arc;
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use crate::domain::error::{BoxError, with_causes};
use crate::domain::position::Position;
use crate::follow::background::WaitError;
use crate::follow::dyn_follower::{CatchUp, DynFollower};
use crate::follow::error::FollowError;
use crate::follow::inline_view::InlineView;
use crate::follow::next_run::NextRun;
use crate::follow::progress_store::ProgressStore;
use crate::follow::state::{Activity, FollowerState, Lag};
use crate::store::error::StoreError;
use crate::store::event_store::EventStore;

/// How long a wait pauses after a failure of the store.
const PAUSE: Duration = Duration::from_millis(20);

/// A store that runs views in its appends.
pub(crate) trait RunsInline: EventStore + ProgressStore {
    /// The views that appends run, each with the reason why it is behind, as far as this program knows.
    fn inline_troubles(&self) -> Result<Vec<Trouble>, StoreError>;

    /// Lets all inline views catch up with other writers. No transaction begins after the time `until`.
    ///
    /// Fails if the store fails. What fails in a view is found by [`inline_troubles`](Self::inline_troubles).
    fn catch_inline_views_up(&self, until: Option<Instant>) -> Result<(), StoreError>;

    fn remove_inline_view(&self, name: &str);
}

/// The name of an inline view, and why it is behind.
pub(crate) type Trouble = (&'static str, Option<Arc<FollowError>>);

/// The inline views of a store, and whether each is current.
pub(crate) fn views<S: RunsInline>(store: &S) -> Result<Vec<InlineView>, StoreError> {
    let troubles = store.inline_troubles()?;
    troubles.into_iter().map(|(name, error)| view(store, name, error)).collect()
}

fn view<S: RunsInline>(
    store: &S,
    name: &'static str,
    error: Option<Arc<FollowError>>,
) -> Result<InlineView, StoreError> {
    let position = store.checkpoint(name)?.map(|found| found.positions.position());
    // Another program may have got past the event that has failed here.
    let error = error.filter(|error| error.position().is_none_or(|failed| position < Some(failed)));
    Ok(InlineView { name, position, error })
}

/// A view that is part of each append, until this is dropped.
pub(crate) struct Inline<S: RunsInline> {
    pub(crate) name: &'static str,
    pub(crate) store: S,
}

impl<S: RunsInline> Inline<S> {
    /// How far the view is, and why it is behind; `None` if appends don't run it any more, or the store can't be read.
    fn find(&self) -> Option<(Position, Option<String>)> {
        let mut troubles = self.store.inline_troubles().ok()?.into_iter();
        let (name, error) = troubles.find(|(name, _)| *name == self.name)?;
        let view = view(&self.store, name, error).ok()?;
        Some((view.position.unwrap_or_default(), view.error.map(|error| with_causes(&*error))))
    }

    fn found(&self) -> (Position, Option<String>) {
        self.find().unwrap_or_default()
    }
}

impl<S: RunsInline> DynFollower for Inline<S> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn state(&self) -> FollowerState {
        let (position, error) = self.found();
        let activity = error.map_or(Activity::Running, |error| Activity::Stopped { error: Some(error) });
        let lag = Lag::of(&self.store, position);
        FollowerState { follower: self.name, position, lag, activity, partitions: Vec::new() }
    }

    fn wait_for(&self, wanted: Position, timeout: Duration) -> Result<(), WaitError> {
        let until = Instant::now().checked_add(timeout);
        let left = || until.map_or(timeout, |until| until.saturating_duration_since(Instant::now()));
        let (follower, (mut position, mut error)) = (self.name, self.found());
        while position < wanted && error.is_none() {
            let newest = self.store.wait_for(wanted, left());
            let caught_up = newest.and_then(|newest| {
                // Another writer has appended without the view.
                if newest >= wanted { self.store.catch_inline_views_up(until) } else { Ok(()) }
            });
            (position, error) = self.found();
            if caught_up.is_ok() || left().is_zero() {
                break;
            }
            // A store that has failed may work again.
            thread::sleep(PAUSE.min(left()));
        }
        match error {
            _ if position >= wanted => Ok(()),
            Some(_) => Err(WaitError::Ended { follower, position, wanted }),
            None => Err(WaitError::TimedOut { follower, position, wanted }),
        }
    }

    fn catch_up(&self, wanted: Position) -> Option<CatchUp> {
        let (position, error) = self.find()?;
        let has_to = position < wanted
            && error.is_none()
            && self.store.position().is_ok_and(|newest| newest >= wanted);
        let store = self.store.clone();
        has_to.then(|| -> CatchUp {
            Box::new(move |until| {
                if store.catch_inline_views_up(until).is_err() {
                    thread::sleep(PAUSE);
                }
            })
        })
    }

    /// The next start catches the view up.
    fn next_run(&self) -> NextRun {
        NextRun::WithNextEvent
    }

    fn watch(&self, waker: &Waker) {
        // Where the store can't look for appends of other processes, the caller's time ends the wait.
        let _ = self.store.watch(waker);
    }

    fn unwatch(&self, waker: &Waker) {
        self.store.unwatch(waker);
    }

    fn begin_stop(&self) {}

    fn stop_within(self: Box<Self>, _: Duration) -> Result<(), BoxError> {
        self.found().1.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// The application has stopped. Another one on the store catches the view up, and makes it part of appends again.
impl<S: RunsInline> Drop for Inline<S> {
    fn drop(&mut self) {
        self.store.remove_inline_view(self.name);
    }
}

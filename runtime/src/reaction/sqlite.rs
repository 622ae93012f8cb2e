//! Reactions whose progress is kept in a SQLite file.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::{Delivery, Reaction, SideEffects};
use crate::following::{
    Control, DeadLetter, Durable, Engine, Failed, Follow, Follower, Found, Holder, Keeper, Policy, Progress,
    Report, Revived, Runner, Step, Task, View, find, known, lay_out, list, remove, save, sealed, set_aside,
    start,
};
use crate::projection::{CaughtUp, PartitionedByStream, Projection, ProjectionError, guarded, names};
use crate::store::sqlite::SqliteStore;
use crate::store::{EventStore, Filter, Kept, Partition};

/// How many events are read ahead. Small: each may take long, and what was read is held in memory.
const AHEAD: usize = 64;

/// How many positions one step looks at, where few of the events there are the reaction's.
const WINDOW: u64 = 20_000;

/// How long a process that has died is waited for, where nobody says.
const LEASE: Duration = Duration::from_secs(10);

/// A reaction, and how far it has come, which is kept in the file of a store.
///
/// See [`Reaction`] for an example.
pub struct SqliteReaction<R> {
    engine: Engine<R>,
}

impl<R: Reaction> SqliteReaction<R> {
    /// The reaction where it has been left; the first time, at the first event of the store.
    ///
    /// Fails with [`ProjectionError::OtherDefinition`] if its name is that of a projection.
    pub fn new(store: &SqliteStore, reaction: R) -> Result<Self, ProjectionError> {
        Self::open(View { home: store.clone(), source: None }, reaction, |_| Ok(0))
    }

    /// The reaction where it has been left; the first time, at the end of the store: it reacts to what comes from now on.
    ///
    /// Fails as [`new`](Self::new) does.
    pub fn from_now(store: &SqliteStore, reaction: R) -> Result<Self, ProjectionError> {
        Self::open(View { home: store.clone(), source: None }, reaction, View::newest::<R>)
    }

    /// The reaction to the events of any store, with its progress in another file: that of a store of its own, which need not
    /// have events. The first time, at the first event.
    ///
    /// Fails as [`new`](Self::new) does.
    pub fn new_in<S: EventStore + Clone + 'static>(
        progress: &SqliteStore,
        events: &S,
        reaction: R,
    ) -> Result<Self, ProjectionError> {
        let view = View { home: progress.clone(), source: Some(Arc::new(events.clone())) };
        Self::open(view, reaction, |_| Ok(0))
    }

    fn open(
        view: View,
        reaction: R,
        first: impl FnOnce(&View) -> Result<u64, ProjectionError>,
    ) -> Result<Self, ProjectionError> {
        if matches!(view.on_reader::<R, _>(|connection| find::<R>(connection))?, Found::Nothing) {
            let first = first(&view)?;
            view.in_transaction::<R, _, ProjectionError>(|transaction| match find::<R>(transaction)? {
                Found::Nothing => start::<R>(transaction, first),
                Found::Older { .. } | Found::Current(_) => Ok(()),
            })?;
        }
        Ok(Self { engine: Engine::new(view, reaction) })
    }

    /// Goes back, or ahead, to after `position`: the next event handed out is the one that follows. 0 is before the first.
    ///
    /// While it runs somewhere, that goes on from there too.
    pub fn rewind(&mut self, position: u64) -> Result<(), ProjectionError> {
        self.engine
            .view
            .in_transaction::<R, _, ProjectionError>(|transaction| lay_out::<R>(transaction, 1, position))
    }

    /// Has so many workers share the work, each with a part of the streams and a clone of the reaction, side by side. Events of
    /// one stream come in order; one that fails holds up its own part only.
    pub fn workers(mut self, workers: usize) -> Self
    where
        R: PartitionedByStream + Clone + Send,
    {
        self.engine.work_side_by_side(workers);
        self
    }

    /// Who is told how far it has come on its way to the end of the store; see
    /// [`SqliteProjection::on_progress`](crate::SqliteProjection::on_progress).
    pub fn on_progress(mut self, tell: impl FnMut(&Progress) -> ControlFlow<()> + Send + 'static) -> Self {
        self.engine.report = Some(Report::new(Box::new(tell)));
        self
    }

    /// Reacts to all events that are in the store by now and have not been handled yet. If it runs somewhere else, waits for
    /// that instead.
    ///
    /// Fails at the first event that can't be read or handled. What comes before it is done; another call tries it once
    /// more.
    pub fn catch_up(&mut self) -> Result<CaughtUp, ProjectionError> {
        let holder = Holder::new(R::NAME, LEASE);
        let home = self.engine.view.home.clone();
        let keeper = keeper::<R>(&home, &holder)?;
        let result = self.engine.catch_up(Some(&holder));
        drop(keeper);
        holder.give_back(&home);
        result
    }

    /// Has the reaction follow the store: no retries, [`OnFailure::Stop`](crate::OnFailure::Stop), a lease of 10 seconds.
    ///
    /// The lease is kept while a handler runs, however long that takes.
    pub fn follow(self) -> Follow<Self>
    where
        R: Send + 'static,
    {
        Follow::new(self)
    }

    /// The position up to which all events have been handled.
    pub fn position(&self) -> Result<u64, ProjectionError> {
        self.engine.position()
    }

    /// The events that were set aside, in order of position.
    pub fn dead_letters(&self) -> Result<Vec<DeadLetter>, ProjectionError> {
        Ok(list::<R>(&self.engine.view)?.into_iter().map(|(letter, _)| letter).collect())
    }

    /// Tries the events that were set aside once more, in order of position. Each that is done is taken off the list
    /// thereafter.
    pub fn retry_dead_letters(&mut self) -> Result<Revived, ProjectionError> {
        let mut revived = Revived::default();
        let Engine { view, handlers, .. } = &mut self.engine;
        let Some(reaction) = handlers.first_mut() else { return Ok(revived) };
        for (letter, event) in list::<R>(view)? {
            let attempt = letter.attempts.saturating_add(1);
            let result = deliver(reaction, letter.position, &event, attempt);
            view.in_transaction::<R, _, ProjectionError>(|transaction| match &result {
                Ok(()) => remove::<R>(transaction, letter.position).map(drop),
                Err(error) => set_aside::<R>(transaction, letter.position, error, attempt),
            })?;
            match result {
                Ok(()) => revived.done += 1,
                Err(_) => revived.failed += 1,
            }
        }
        Ok(revived)
    }
}

impl Durable for SideEffects {
    /// The events are handed out one by one, outside of any transaction; that each is done is recorded at once.
    fn step<P: Projection<Target = Self>>(
        runner: &mut Runner<'_, P>,
        goal: u64,
        limit: usize,
    ) -> Result<Step, Failed> {
        let (view, control) = (runner.view, runner.control);
        let turn = view.in_transaction::<P, _, Failed>(|transaction| {
            let layout = known::<P>(transaction)?;
            if !runner.has_lease(transaction)? {
                return Ok(Turn::Over(Step::NotOurs(layout.position())));
            }
            Ok(match layout.task(runner.partition) {
                Task::Wait => Turn::Over(Step::Wait(layout.position())),
                Task::LayOut { position } => {
                    lay_out::<P>(transaction, runner.partition.of(), position)?;
                    Turn::Over(Step::More(position))
                }
                Task::Part { position, .. } if layout.goal(runner.partition, goal) <= position => {
                    Turn::Over(Step::Caught(position))
                }
                Task::Part { partition, position } => {
                    let until = layout.goal(runner.partition, goal).min(position.saturating_add(WINDOW));
                    Turn::Deliver { partition, position, until }
                }
            })
        })?;
        let (partition, position, until) = match turn {
            Turn::Over(step) => return Ok(step),
            Turn::Deliver { partition, position, until } => (partition, position, until),
        };
        let limit = limit.min(AHEAD);
        let events = ahead::<P>(view, partition, position, until, limit)?;
        let reached = match events.last() {
            Some((last, _)) if events.len() == limit => *last,
            _ => until,
        };
        let is_mine = partition == runner.partition;
        let mut at = position;
        for (position, event) in events {
            if control.is_stopping() {
                return Ok(Step::More(if is_mine { at } else { 0 }));
            }
            let attempt = runner.failures(position) + 1;
            deliver(runner.handlers, position, &event, attempt).map_err(|error| Failed {
                before: 0,
                partition,
                error,
            })?;
            control.count(1);
            if !done(runner, partition, at, position)? {
                return Ok(Step::NotOurs(at));
            }
            at = position;
            if is_mine {
                control.tell(partition.index() as usize, at);
            }
        }
        if reached > at && !done(runner, partition, at, reached)? {
            return Ok(Step::NotOurs(at));
        }
        Ok(match is_mine {
            true if reached >= goal => Step::Caught(reached),
            true => Step::More(reached),
            false => Step::More(position),
        })
    }
}

/// What a step has to do.
enum Turn {
    Over(Step),
    Deliver { partition: Partition, position: u64, until: u64 },
}

/// The next events, copied: what handlers do may take long, and a read should not.
fn ahead<P: Projection>(
    view: &View,
    partition: Partition,
    after: u64,
    until: u64,
    limit: usize,
) -> Result<Vec<(u64, Kept)>, ProjectionError> {
    let names = names::<P>();
    let filter = Filter { names: &names, categories: P::FROM, bare: false, partition, until: Some(until) };
    let mut events = Vec::new();
    view.events()
        .read_all(filter, after, limit, &mut |event| {
            events.push((event.envelope.position, Kept::copy(event)));
            ControlFlow::Continue(())
        })
        .map_err(ProjectionError::store::<P>)?;
    Ok(events)
}

fn deliver<P: Projection<Target = SideEffects>>(
    reaction: &mut P,
    position: u64,
    event: &Kept,
    attempt: u32,
) -> Result<(), ProjectionError> {
    let event = event.as_stored(position);
    let delivery = Delivery::new(P::NAME, &event.envelope, attempt);
    guarded(|| reaction.project_stored(event.name, &event, &delivery))
        .map_err(|error| ProjectionError::of_event::<P>(&event, error))
}

/// Records that a part has come from one position to another; `false` if somebody else has the lease by now, or has moved it.
fn done<P: Projection>(
    runner: &mut Runner<'_, P>,
    partition: Partition,
    from: u64,
    to: u64,
) -> Result<bool, ProjectionError>
where
    P::Target: Durable,
{
    let view = runner.view;
    view.in_transaction::<P, _, ProjectionError>(|transaction| {
        if !runner.has_lease(transaction)? || known::<P>(transaction)?.at(partition) != Some(from) {
            return Ok(false);
        }
        save::<P>(transaction, partition, to).map(|()| true)
    })
}

fn keeper<R: Projection>(home: &SqliteStore, holder: &Holder) -> Result<Keeper, ProjectionError> {
    Keeper::start(home.clone(), holder.clone())
        .map_err(|source| ProjectionError::Thread { projection: R::NAME, source })
}

impl<R: Reaction + Send + 'static> Follower for SqliteReaction<R> {}

impl<R: Reaction> sealed::Run for SqliteReaction<R> {
    const NAME: &'static str = R::NAME;

    fn run(&mut self, control: &Control, policy: &Policy, lease: Duration) -> Result<(), ProjectionError> {
        let holder = Holder::new(R::NAME, lease);
        let _keeper = keeper::<R>(&self.engine.view.home, &holder)?;
        self.engine.follow(control, policy, &holder)
    }

    fn report(&mut self) -> &mut Option<Report> {
        &mut self.engine.report
    }
}

impl<R> fmt::Debug for SqliteReaction<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteReaction").field("engine", &self.engine).finish_non_exhaustive()
    }
}

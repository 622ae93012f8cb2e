//! The repository: loads aggregates from a store, and carries out commands on them.

use std::fmt;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;

use crate::domain::accepts::Accepts;
use crate::domain::aggregate::Aggregate;
use crate::domain::command_set::CommandSet;
use crate::domain::panic::discard;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::misuse;
use crate::repository::back_off::back_off;
use crate::repository::decide::{Draft, decide};
use crate::repository::error::{BatchError, ExecuteError, LoadError, ReadError, SnapshotError};
use crate::repository::execute_options::{CanRetry, CommandOptions, ExecuteOptions};
use crate::repository::history::History;
use crate::repository::known_key::KeyOfCommand;
use crate::repository::lanes::{InLane, Standing};
use crate::repository::loading::Loader;
use crate::repository::measured::{measured, span_of};
use crate::repository::moment::Moment;
use crate::repository::outcome::{Executed, Loaded};
use crate::repository::read_ahead::{Ahead, ReadAhead, earlier_outcome};
use crate::repository::reads;
use crate::repository::replay::{Replay, recorded};
use crate::repository::state_cache::CacheOptions;
use crate::repository::statistics::RepositoryStatistics;
use crate::repository::submit::{confirm, submit};
use crate::repository::unit_of_work::{InUnits, UnitOfWork};
use crate::repository::waits::{Blocks, Waits, now};
use crate::store::append::{Append, NewKey, Outcome};
use crate::store::error::{AppendError, Conflict, StoreError};
use crate::store::event_store::EventStore;
use crate::store::queue::QueueError;
use crate::telemetry::measure;
use crate::trace;

/// The aggregates of type `A` in a store: loads them, and carries out commands on them.
///
/// Made by [`EventStoreExt::repository`](crate::EventStoreExt::repository). Threads can share a repository if
/// the states are `Send` and `Sync`. No lock is held while a handler runs, so a handler that panics affects
/// its own command only.
///
/// # Commands to one aggregate at once
///
/// Commands that come through one repository and its clones take turns. Each is decided on the state that the
/// one before leads to, without waiting for its commit, and one commit stores the events of several. A command
/// gets its answer, a refusal too, when all that the answer rests on is stored. So they do not conflict.
///
/// * If an append fails, the commands that were decided on its state are decided again. So is a command that was
///   decided on a state in memory, if another writer has appended since. The handler runs twice then, also one
///   with effects through its services, and what it did or how it panicked the first time counts for nothing.
///   A command that is not `Clone`, and a batch, is a [`Conflict`](crate::store::Conflict) then.
/// * A turn is a lease of 100 milliseconds. After that, others go on, and the slow command may be a conflict.
///   [`retry`](ExecuteOptions::retry) doubles the lease each time. A handler that commands its own aggregate has
///   no turn for it.
/// * A batch takes one turn for all of its commands.
/// * At most 256 appends to one aggregate wait for their answers. The next command waits for one of these before it is
///   decided, and keeps its turn meanwhile.
/// * Units of work take no turn. They, writers of other processes, and other repositories of the same
///   type may cause conflicts.
///
/// A repository keeps recently used states in memory ([`CacheOptions`]), so that a command reads only the
/// newer events. Clones share these states: make one repository, and clone it.
#[doc(alias = "command handler")]
#[doc(alias = "dispatch")]
pub struct Repository<A: Aggregate, S> {
    store: S,
    services: A::Services,
    loader: Arc<Loader<A>>,
}

impl<A: Aggregate, S: EventStore> Repository<A, S> {
    pub(crate) fn new(store: S, services: A::Services) -> Self {
        Self { store, services, loader: Arc::new(Loader::new(CacheOptions::default())) }
    }

    /// Sets other bounds for the states in memory. The new repository begins with none, and shares none with
    /// clones made before.
    #[must_use = "the repository with these options is what this returns"]
    pub fn with_cache(self, options: CacheOptions<A>) -> Self {
        Self { loader: Arc::new(Loader::new(options)), ..self }
    }

    /// How often aggregates were in memory, and how often snapshots were used.
    pub fn statistics(&self) -> RepositoryStatistics {
        self.loader.statistics()
    }

    pub(crate) fn loader(&self) -> &Arc<Loader<A>> {
        &self.loader
    }

    /// Takes a snapshot of the aggregate as it is now, whether one is due or not.
    ///
    /// A store may write the snapshot later: a SQLite store writes it with the next append, or when the store
    /// is closed.
    ///
    /// Fails if the aggregate declares no snapshots or does not exist, and if its state can't be stored.
    pub fn take_snapshot(&self, id: &A::Id) -> Result<(), SnapshotError> {
        let stream = StreamName::of::<A>(id);
        let replay = now(self.existing::<Blocks>(&stream))?;
        self.loader.take_snapshot(&self.store, &stream, replay)
    }

    /// Drops all snapshots of aggregates of this type, and returns their number. New ones are taken as
    /// declared.
    pub fn drop_snapshots(&self) -> Result<u64, StoreError> {
        self.store.drop_snapshots(Some(A::CATEGORY))
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The services that handlers get, unless a command brings services of its own.
    pub fn services(&self) -> &A::Services {
        &self.services
    }

    /// Carries out a command: loads the aggregate that it names, decides, applies the events and stores them.
    ///
    /// `command` is one of the structs in the aggregate's `commands(..)`, or its generated command enum. When
    /// this method returns, the events are stored with the durability that the store was opened with. A
    /// command that leads to no events stores nothing: see [`Executed::is_unchanged`].
    ///
    /// Fails with [`ExecuteError::Invalid`] if a check of the command fails, with [`ExecuteError::Refused`] if the aggregate
    /// refuses, and with [`ExecuteError::Conflict`] if
    /// another writer appends in between. A command that fails stores nothing.
    #[inline]
    #[track_caller]
    pub fn execute<C>(&self, command: C) -> Result<Executed<A>, ExecuteError<A::Error>>
    where
        A: Accepts<C>,
    {
        misuse::blocks("Repository::execute", "execute_async");
        self.execute_once(A::command(command), &ExecuteOptions::new().command)
    }

    /// Carries out a command with options: metadata, an expected version, an idempotency key, retries,
    /// services.
    ///
    /// Fails as [`execute`](Self::execute) does.
    #[track_caller]
    pub fn execute_with<C, R>(
        &self,
        command: C,
        options: &ExecuteOptions<'_, A::Services, R>,
    ) -> Result<Executed<A>, ExecuteError<A::Error>>
    where
        A: Accepts<C>,
        R: CanRetry<C>,
    {
        misuse::blocks("Repository::execute_with", "execute_with_async");
        now(self.execute_waiting::<Blocks, _, _>(A::command, command, &options.command, &options.retrying))
    }

    /// [`execute_with`](Self::execute_with), which waits in this way. The function makes the command an `A`'s.
    pub(crate) async fn execute_waiting<W: Waits, C, R>(
        &self,
        into_command: fn(C) -> A::Command,
        command: C,
        options: &CommandOptions<'_, A::Services>,
        retrying: &R,
    ) -> Result<Executed<A>, ExecuteError<A::Error>>
    where
        R: CanRetry<C>,
    {
        let spare = retrying.spare(&command, 0);
        let command = into_command(command);
        let span = span_of::<A>(&command);
        let work = pin!(async {
            // A task that can read ahead has no use for a thread yet.
            if W::reads(&self.store).is_none() {
                W::thread().await;
            }
            command.validate()?;
            self.execute_again::<W, _, _>(command, spare, (into_command, retrying), options, &mut 0).await
        });
        measured::<A>(span, work).await
    }

    /// Carries out a valid command, and its spare copy after a conflict, as often as `retrying` says. Counts the conflicts in
    /// `failed`.
    pub(crate) async fn execute_again<W: Waits, C, R>(
        &self,
        mut command: A::Command,
        mut spare: Option<C>,
        (into_command, retrying): (fn(C) -> A::Command, &R),
        options: &CommandOptions<'_, A::Services>,
        failed: &mut u32,
    ) -> Result<Executed<A>, ExecuteError<A::Error>>
    where
        R: CanRetry<C>,
    {
        loop {
            match (self.attempt::<W>(command, options, *failed).await, spare) {
                (Err(ExecuteError::Conflict(conflict)), Some(again)) if options.expected.is_none() => {
                    back_off(*failed);
                    *failed += 1;
                    measure::decided_again(&conflict.stream, *failed);
                    spare = retrying.spare(&again, *failed);
                    command = into_command(again);
                }
                (result, _) => return result,
            }
        }
    }

    /// Carries out several commands on one aggregate, and stores the events of all in one append, or of none.
    ///
    /// Each command is decided on with the state that the command before it led to.
    ///
    /// Fails at the first command that fails, with its index. A command for another aggregate than `id` fails
    /// as well.
    #[track_caller]
    pub fn execute_batch<C>(
        &self,
        id: &A::Id,
        commands: impl IntoIterator<Item = C>,
    ) -> Result<Executed<A>, BatchError<A::Error>>
    where
        A: Accepts<C> + InUnits,
    {
        misuse::blocks("Repository::execute_batch", "execute_batch_async");
        self.execute_batch_with(id, commands.into_iter().map(|command| (command, ExecuteOptions::new())))
    }

    /// Carries out a batch as [`execute_batch`](Self::execute_batch) does, each command with options of its
    /// own.
    ///
    /// An expected version is the version of the aggregate before the whole batch.
    #[track_caller]
    pub fn execute_batch_with<'o, C>(
        &self,
        id: &A::Id,
        commands: impl IntoIterator<Item = (C, ExecuteOptions<'o, A::Services>)>,
    ) -> Result<Executed<A>, BatchError<A::Error>>
    where
        A: Accepts<C> + InUnits,
    {
        misuse::blocks("Repository::execute_batch_with", "execute_batch_async");
        now(self.execute_batch_waiting::<Blocks, _, _>(StreamName::of::<A>(id), commands, |both| both))
    }

    /// [`execute_batch_with`](Self::execute_batch_with), which waits in this way.
    ///
    /// The caller's iterator runs on a thread that may block. `with_options` says what each of its items is.
    pub(crate) async fn execute_batch_waiting<'o, W: Waits, I: IntoIterator, C>(
        &self,
        stream: StreamName,
        commands: I,
        with_options: impl Fn(I::Item) -> (C, ExecuteOptions<'o, A::Services>),
    ) -> Result<Executed<A>, BatchError<A::Error>>
    where
        A: Accepts<C> + InUnits,
    {
        W::thread().await;
        let lane = self.loader.lanes().enter(&stream);
        let turn = lane.take_turn(0);
        let mut work = UnitOfWork::new(&self.store);
        for (index, (command, options)) in commands.into_iter().map(with_options).enumerate() {
            let command = A::command(command);
            let found = StreamName::of::<A>(command.aggregate_id());
            let result = if found == stream {
                work.decide(self, &stream, command, &options).map(drop)
            } else {
                Err(ExecuteError::OtherAggregate { stream: stream.clone(), found })
            };
            result.map_err(|source| BatchError { index: Some(index), source })?;
        }
        let done = work.commit_one::<W, A>(self, &stream, turn).await;
        done.map_err(|source| BatchError { index: None, source })
    }

    /// The aggregate as it is now.
    ///
    /// Fails with [`LoadError::NotFound`] if the aggregate has no events.
    #[track_caller]
    pub fn load(&self, id: &A::Id) -> Result<Loaded<A>, LoadError> {
        misuse::blocks("Repository::load", "load_async");
        now(self.load_waiting::<Blocks>(StreamName::of::<A>(id)))
    }

    pub(crate) async fn load_waiting<W: Waits>(&self, stream: StreamName) -> Result<Loaded<A>, LoadError> {
        let replay = self.existing::<W>(&stream).await?;
        Ok(Loaded::new(replay, stream))
    }

    /// The aggregate as it was: right after the event of a version (`load_at(&id, 3)`), or at a time
    /// (`load_at(&id, timestamp)`).
    ///
    /// At a time means: right before the first event that was recorded later.
    ///
    /// Fails with [`LoadError::NotYet`] if the aggregate has not reached that version, with
    /// [`LoadError::Before`] if it did not exist yet at that moment, and with [`LoadError::NotFound`] if it
    /// has no events.
    #[track_caller]
    pub fn load_at(&self, id: &A::Id, moment: impl Into<Moment>) -> Result<Loaded<A>, LoadError> {
        misuse::blocks("Repository::load_at", "load_at_async");
        now(self.load_at_waiting::<Blocks>(StreamName::of::<A>(id), moment.into()))
    }

    pub(crate) async fn load_at_waiting<W: Waits>(
        &self,
        stream: StreamName,
        asked: Moment,
    ) -> Result<Loaded<A>, LoadError> {
        let replay = self.loader.load::<W, _>(&self.store, &stream, Some(asked)).await?;
        match asked {
            Moment::Version(version) if version > replay.version && replay.version > 0 => {
                Err(LoadError::NotYet { stream, asked: version, actual: replay.version })
            }
            _ if replay.version > 0 => Ok(Loaded::new(replay, stream)),
            _ if self.stream_version::<W>(&stream).await? > 0 => Err(LoadError::Before { stream, asked }),
            _ => Err(LoadError::NotFound { stream }),
        }
    }

    /// Iterates over the aggregate's events, from the first on: typed, with metadata, read page by page.
    ///
    /// Fails with [`LoadError::NotFound`] if the aggregate has no events.
    #[track_caller]
    pub fn history(&self, id: &A::Id) -> Result<History<'_, A, S>, LoadError> {
        misuse::blocks("Repository::history", "history_async");
        let stream = StreamName::of::<A>(id);
        if now(self.stream_version::<Blocks>(&stream))? == 0 {
            return Err(LoadError::NotFound { stream });
        }
        Ok(History::new(&self.store, stream))
    }

    /// Whether the aggregate has any events.
    #[track_caller]
    pub fn exists(&self, id: &A::Id) -> Result<bool, ReadError> {
        misuse::blocks("Repository::exists", "exists_async");
        Ok(now(self.stream_version::<Blocks>(&StreamName::of::<A>(id)))? > 0)
    }

    pub(crate) async fn stream_version<W: Waits>(&self, stream: &StreamName) -> Result<u64, ReadError> {
        let version = reads::stream_version::<W, _>(&self.store, stream).await;
        version.map_err(|source| ReadError::store(stream, source))
    }

    async fn existing<W: Waits>(&self, stream: &StreamName) -> Result<Replay<A>, LoadError> {
        let replay = self.loader.current::<W, _>(&self.store, stream).await?;
        if replay.version == 0 { Err(LoadError::NotFound { stream: stream.clone() }) } else { Ok(replay) }
    }

    /// Carries out a command, without retries after a conflict.
    #[inline]
    pub(crate) fn execute_once(
        &self,
        command: A::Command,
        options: &CommandOptions<'_, A::Services>,
    ) -> Result<Executed<A>, ExecuteError<A::Error>> {
        now(self.execute_once_waiting::<Blocks>(command, options))
    }

    pub(crate) async fn execute_once_waiting<W: Waits>(
        &self,
        command: A::Command,
        options: &CommandOptions<'_, A::Services>,
    ) -> Result<Executed<A>, ExecuteError<A::Error>> {
        let span = span_of::<A>(&command);
        let work = pin!(async {
            // A task that can read ahead has no use for a thread yet.
            if W::reads(&self.store).is_none() {
                W::thread().await;
            }
            command.validate()?;
            self.attempt::<W>(command, options, 0).await
        });
        measured::<A>(span, work).await
    }

    /// Carries out a command that is valid, without retries after a conflict.
    pub(crate) async fn attempt<W: Waits>(
        &self,
        command: A::Command,
        options: &CommandOptions<'_, A::Services>,
        failed: u32,
    ) -> Result<Executed<A>, ExecuteError<A::Error>> {
        let lane = self.loader.lanes().enter(&StreamName::of::<A>(command.aggregate_id()));
        let mut command = command;
        let mut decisions = 0;
        loop {
            let to_read =
                W::reads(&self.store).and_then(|_| ReadAhead::of(&lane, &command, options, decisions));
            let ahead = match to_read {
                Some(to_read) => Some(to_read.read::<W, _, _>(&self.store, &self.loader, &lane).await?),
                None => None,
            };
            W::thread().await;
            match self.decide_once::<W>(&lane, (command, ahead), options, failed, decisions).await {
                Ok(Decision::Done(done)) => return Ok(done),
                Ok(Decision::Void(again)) => command = again,
                Err(error) => {
                    if let ExecuteError::Conflict(conflict) = &error {
                        trace::conflict(&conflict.stream, conflict.actual);
                    }
                    return Err(error);
                }
            }
            decisions += 1;
            measure::decided_again(lane.stream(), decisions);
        }
    }

    /// Decides on a command in its lane, and stores its events.
    async fn decide_once<W: Waits>(
        &self,
        lane: &InLane<A>,
        (command, ahead): (A::Command, Option<Ahead<A>>),
        options: &CommandOptions<'_, A::Services>,
        failed: u32,
        decisions: u32,
    ) -> Result<Decision<A>, ExecuteError<A::Error>> {
        let stream = lane.stream();
        let key = options.key.as_deref().map(|key| KeyOfCommand { key, command: command.mark() });
        let turn = lane.take_turn_with_key(failed + decisions, options.key.as_deref());
        // What was read before the turn holds if the lane is as it was.
        let ahead = ahead.filter(|ahead| ahead.is_current(lane));
        let to_look_up = key.as_ref().filter(|_| options.waiting.is_none());
        if let Some(key) = to_look_up
            && let Some(outcome) = earlier_outcome(&self.store, stream, key, ahead.as_ref())?
        {
            drop(turn);
            return self.repeat::<W>(stream, key, &outcome).await.map(Decision::Done);
        }
        // A copy for the next decision, if what this one rests on does not hold.
        let mut again = None;
        let base = lane.base(|| {
            if let Some(replay) = ahead.and_then(|ahead| ahead.replay) {
                return Ok::<_, ReadError>((replay, Standing::Read));
            }
            // Only the first decision is made on a state that may be an old one.
            let unread = if decisions == 0 { self.loader.unread(&self.store, stream) } else { None };
            if let Some(replay) = unread {
                again = command.again();
                if again.is_some() {
                    return Ok((replay, Standing::Unread));
                }
            }
            Ok((now(self.loader.current::<Blocks, _>(&self.store, stream))?, Standing::Read))
        })?;
        if base.standing == Standing::Uncommitted {
            again = command.again();
        }
        let was_right = |right| {
            if base.standing == Standing::Unread {
                self.loader.was_right(right);
            }
        };
        let void = async || match again {
            Some(command) => {
                was_right(false);
                Ok(Decision::Void(command))
            }
            None => Err(self.conflict::<W>(stream, base.replay.version).await),
        };
        let decide = || decide(stream, base.replay.clone(), command, options, &self.services);
        let decided = match catch_unwind(AssertUnwindSafe(decide)) {
            Ok(decided) => decided,
            // A handler may panic at a state that never was.
            Err(panic) => match confirm::<W, _, _>(&self.store, lane, &base, turn).await {
                Err(QueueError::Void) => {
                    discard(panic);
                    return void().await;
                }
                _ => resume_unwind(panic),
            },
        };
        let Draft { mut replay, encoded } = match decided {
            Ok(draft) => draft,
            Err(error) => {
                match confirm::<W, _, _>(&self.store, lane, &base, turn).await {
                    Ok(()) => was_right(true),
                    Err(QueueError::Void) => return void().await,
                    Err(QueueError::Append(error)) => return Err(error.into()),
                }
                // Another thread may have stored this key since the look-up above.
                let Some(key) = &key else { return Err(error) };
                let outcome = key.outcome::<W, _, _>(&self.store, stream).await?.ok_or(error)?;
                return self.repeat::<W>(stream, key, &outcome).await.map(Decision::Done);
            }
        };
        if encoded.events().is_empty() && key.is_none() && options.timers.is_empty() {
            match confirm::<W, _, _>(&self.store, lane, &base, turn).await {
                Ok(()) => was_right(true),
                Err(QueueError::Void) => return void().await,
                Err(QueueError::Append(error)) => return Err(error.into()),
            }
            return Ok(Decision::Done(Executed::new(&replay, Vec::new())));
        }
        let events = encoded.new_events();
        let new_key = key.as_ref().map(|key| key.as_new(0..events.len(), Timestamp::now()));
        let new_key = new_key.map(|key| NewKey { waiting: options.waiting, ..key });
        let (keys, timers) = (new_key.as_slice(), options.timers_after(encoded.last_id()));
        let append = Append { keys, timers: &timers, ..Append::new(stream, replay.version, &events) };
        let next = (!events.is_empty()).then_some(|| replay.ahead(events.len(), encoded.last_id()));
        let submitted = submit::<W, _, _>(&self.store, lane, &base, turn, append, next).await;
        let (appended, flight) = match (submitted, &key) {
            (Ok(appended), _) => appended,
            (Err(QueueError::Void), _) => return void().await,
            // Events that the state in memory does not have are no conflict: they are read now.
            (Err(QueueError::Append(AppendError::Conflict(_))), _) if base.standing == Standing::Unread => {
                return void().await;
            }
            // Another thread has stored this key since the look-up above.
            (Err(QueueError::Append(AppendError::KnownKey { outcome, .. })), Some(key)) => {
                key.check(stream, &outcome)?;
                return self.repeat::<W>(stream, key, &outcome).await.map(Decision::Done);
            }
            (Err(QueueError::Append(error)), _) => return Err(error.into()),
        };
        was_right(true);
        let events = encoded.into_recorded(stream, replay.version, appended.first_position);
        replay.record_appended(&events);
        if !events.is_empty() {
            lane.settle(&flight, &replay, |replay| self.loader.remember(&self.store, stream, replay));
        }
        Ok(Decision::Done(Executed::new(&replay, events)))
    }

    /// The error of a command that can't be decided again.
    async fn conflict<W: Waits>(&self, stream: &StreamName, expected: u64) -> ExecuteError<A::Error> {
        match self.stream_version::<W>(stream).await {
            Ok(actual) => Conflict::new(stream.clone(), expected.into(), actual).into(),
            Err(error) => error.into(),
        }
    }

    /// The outcome of a command that was carried out before.
    async fn repeat<W: Waits>(
        &self,
        stream: &StreamName,
        key: &KeyOfCommand<'_>,
        outcome: &Outcome,
    ) -> Result<Executed<A>, ExecuteError<A::Error>> {
        let until = Some(Moment::Version(outcome.version));
        let replay = self.loader.load::<W, _>(&self.store, stream, until).await?;
        let mut events = Vec::new();
        let mut result = Ok(());
        let count = usize::try_from(outcome.version.saturating_sub(outcome.before)).unwrap_or(usize::MAX);
        let mut version = outcome.before;
        let read = reads::read_stream::<W, _>(&self.store, stream, outcome.before, count, |event| {
            result = recorded(stream, event, version, |event| events.push(event));
            version += 1;
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        read.await.map_err(|source| ReadError::store(stream, source))?;
        result?;
        if (version, replay.version) != (outcome.version, outcome.version) {
            return Err(key.damaged(stream, outcome, version).into());
        }
        Ok(Executed::repeated(replay.state, outcome.version, events))
    }
}

impl<A: Aggregate, S: Clone> Clone for Repository<A, S>
where
    A::Services: Clone,
{
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), services: self.services.clone(), loader: Arc::clone(&self.loader) }
    }
}

impl<A: Aggregate, S: fmt::Debug> fmt::Debug for Repository<A, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository")
            .field("aggregate", &A::CATEGORY)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// What came of a command that was decided once.
enum Decision<A: Aggregate> {
    Done(Executed<A>),
    /// It was decided on a state that was not stored after all. The command has to be decided again.
    Void(A::Command),
}

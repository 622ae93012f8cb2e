//! Aggregates out of a store, commands into it.

mod cache;
mod history;
mod hot;

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

pub use self::cache::CacheOptions;
pub use self::history::History;
pub(crate) use self::hot::Hot;
pub use self::hot::RepositoryStatistics;
use crate::aggregate::Aggregate;
use crate::command::{Accepts, Command};
use crate::encode::{Encoded, encode_failed};
use crate::error::{AppendError, Conflict, ExecuteError, LoadError, ReadError, SnapshotError, StoreError};
use crate::id::StreamId;
use crate::metadata::Recorded;
use crate::options::{Attempts, ExecuteOptions};
use crate::replay::{Replay, ours, recorded};
use crate::store::{Append, EventStore, ExpectedVersion, NewKey, Outcome};
use crate::time::{Moment, Timestamp};
use crate::unit_of_work::UnitOfWork;

/// The aggregates of type `A` in a store: loads them, and carries out commands on them.
///
/// Made by [`EventStore::repository`]. Shared between threads as it is; nothing of it is locked while a handler runs,
/// so a handler that panics harms nobody else.
///
/// It keeps states that were used in memory ([`CacheOptions`]), so that a command reads only what is new. Clones share
/// them: make one repository, and clone it. To be shared between threads, it needs states that are `Send` and `Sync`.
pub struct Repository<A: Aggregate, S> {
    store: S,
    services: A::Services,
    hot: Arc<Hot<A>>,
}

/// An aggregate as it is, or was, at some version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded<A> {
    state: Arc<A>,
    version: u64,
    stream: StreamId,
}

/// What a command, or a batch of them, has led to.
pub struct Executed<A: Aggregate> {
    state: Arc<A>,
    version: u64,
    events: Vec<Recorded<A::Event>>,
    repeated: bool,
}

/// Why a batch of commands was not carried out; nothing of it was stored.
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchError<E> {
    /// Which command failed, from 0; `None` if all were decided on and could not be stored.
    pub index: Option<usize>,
    /// How.
    pub source: ExecuteError<E>,
}

impl<E: fmt::Display> fmt::Display for BatchError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "command {index} of the batch: {}", self.source),
            None => write!(f, "the batch: {}", self.source),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for BatchError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl<A: Aggregate, S: EventStore> Repository<A, S> {
    pub(crate) fn new(store: S, services: A::Services) -> Self {
        Self { store, services, hot: Arc::new(Hot::new(CacheOptions::default())) }
    }

    /// The same with other bounds to what is kept in memory. Nothing is yet, and nothing is shared with this one.
    pub fn with_cache(self, options: CacheOptions<A>) -> Self {
        Self { hot: Arc::new(Hot::new(options)), ..self }
    }

    /// How often aggregates were in memory, and snapshots of use.
    pub fn statistics(&self) -> RepositoryStatistics {
        self.hot.statistics()
    }

    pub(crate) fn hot(&self) -> &Arc<Hot<A>> {
        &self.hot
    }

    /// Takes a snapshot of the aggregate as it is now, whether one is due or not. A store may write
    /// it a little later: a SQLite store does with the next append, or when it is closed.
    ///
    /// Fails if the aggregate declares no snapshots or does not exist, and if its state can't be kept.
    pub fn take_snapshot(&self, id: &A::Id) -> Result<(), SnapshotError> {
        let stream = StreamId::of::<A>(id);
        let replay = self.existing(&stream)?;
        self.hot.take_snapshot(&self.store, &stream, replay)
    }

    /// Drops all snapshots of aggregates of this type, and tells how many these were. They are taken again as declared.
    pub fn drop_snapshots(&self) -> Result<u64, StoreError> {
        self.store.drop_snapshots(Some(A::NAME))
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// What handlers are given if a command brings no services of its own.
    pub fn services(&self) -> &A::Services {
        &self.services
    }

    /// Carries out a command: loads the aggregate it names, lets it decide, stores the events, applies them.
    ///
    /// `command` is one of the structs in the aggregate's `commands(..)`, or its generated command enum. When this
    /// returns, the events are stored as durably as the store was opened to. A command that leads to no events stores
    /// nothing; [`Executed::is_unchanged`] tells.
    ///
    /// Fails with [`ExecuteError::Refused`] if the aggregate refuses, with [`ExecuteError::Conflict`] if another writer
    /// came between; in any case nothing is stored.
    #[inline]
    pub fn execute<C>(&self, command: C) -> Result<Executed<A>, ExecuteError<A::Error>>
    where
        A: Accepts<C>,
    {
        self.attempt(A::command(command), &ExecuteOptions::new())
    }

    /// Carries out a command with metadata, an expected version, retries, or services of its own.
    ///
    /// Fails as [`execute`](Self::execute) does.
    pub fn execute_with<C, R>(
        &self,
        command: C,
        options: &ExecuteOptions<'_, A::Services, R>,
    ) -> Result<Executed<A>, ExecuteError<A::Error>>
    where
        A: Accepts<C>,
        R: Attempts<C>,
    {
        let mut command = command;
        let mut failed = 0;
        loop {
            let spare = options.attempts.spare(&command, failed);
            match (self.attempt(A::command(command), options), spare) {
                (Err(ExecuteError::Conflict(_)), Some(again)) if options.expected.is_none() => {
                    command = again;
                    failed += 1;
                }
                (result, _) => return result,
            }
        }
    }

    /// Carries out commands on one aggregate, each on the state that the one before has left, and stores all their
    /// events in one append: all or nothing.
    ///
    /// Fails at the first command that fails, and says which; also if a command is for another aggregate than `id`.
    pub fn execute_batch<C>(
        &self,
        id: &A::Id,
        commands: impl IntoIterator<Item = C>,
    ) -> Result<Executed<A>, BatchError<A::Error>>
    where
        A: Accepts<C>,
    {
        self.execute_batch_with(id, commands.into_iter().map(|command| (command, ExecuteOptions::new())))
    }

    /// The same for commands that each come with metadata, a time or services of their own.
    ///
    /// An expected version is that of the aggregate before the whole batch.
    pub fn execute_batch_with<'o, C>(
        &self,
        id: &A::Id,
        commands: impl IntoIterator<Item = (C, ExecuteOptions<'o, A::Services>)>,
    ) -> Result<Executed<A>, BatchError<A::Error>>
    where
        A: Accepts<C>,
    {
        let stream = StreamId::of::<A>(id);
        let mut work = UnitOfWork::new(&self.store);
        for (index, (command, options)) in commands.into_iter().enumerate() {
            let command = A::command(command);
            let found = StreamId::of::<A>(command.aggregate_id());
            let result = if found == stream {
                work.decide(self, &stream, command, &options).map(drop)
            } else {
                Err(ExecuteError::OtherAggregate { stream: stream.clone(), found })
            };
            result.map_err(|source| BatchError { index: Some(index), source })?;
        }
        work.commit_one(self, &stream).map_err(|source| BatchError { index: None, source })
    }

    /// The aggregate as it is now.
    ///
    /// Fails with [`LoadError::NotFound`] if nothing has ever happened to it.
    pub fn load(&self, id: &A::Id) -> Result<Loaded<A>, LoadError> {
        let stream = StreamId::of::<A>(id);
        let replay = self.existing(&stream)?;
        Ok(Loaded { state: replay.state, version: replay.version, stream })
    }

    /// The aggregate as it was: right after the event of a version (`load_at(&id, 3)`), or at a time
    /// (`load_at(&id, timestamp)`).
    ///
    /// At a time means: after all events up to the first one that was recorded later.
    ///
    /// Fails with [`LoadError::NotYet`] if the aggregate has not come to that version, with [`LoadError::Before`] if it
    /// did not exist yet, and with [`LoadError::NotFound`] if it never has.
    pub fn load_at(&self, id: &A::Id, moment: impl Into<Moment>) -> Result<Loaded<A>, LoadError> {
        let stream = StreamId::of::<A>(id);
        let asked = moment.into();
        let replay = self.hot.load(&self.store, &stream, Some(asked))?;
        match asked {
            Moment::Version(version) if version > replay.version && replay.version > 0 => {
                Err(LoadError::NotYet { stream, asked: version, actual: replay.version })
            }
            _ if replay.version > 0 => Ok(Loaded { state: replay.state, version: replay.version, stream }),
            _ if self.stream_version(&stream)? > 0 => Err(LoadError::Before { stream, asked }),
            _ => Err(LoadError::NotFound { stream }),
        }
    }

    /// What has happened to the aggregate, from the first event on: typed, with metadata, read as it is asked for.
    ///
    /// Fails with [`LoadError::NotFound`] if nothing has.
    pub fn history(&self, id: &A::Id) -> Result<History<'_, A, S>, LoadError> {
        let stream = StreamId::of::<A>(id);
        if self.stream_version(&stream)? == 0 {
            return Err(LoadError::NotFound { stream });
        }
        Ok(History::new(&self.store, stream))
    }

    /// Whether anything has ever happened to the aggregate.
    pub fn exists(&self, id: &A::Id) -> Result<bool, ReadError> {
        Ok(self.stream_version(&StreamId::of::<A>(id))? > 0)
    }

    fn stream_version(&self, stream: &StreamId) -> Result<u64, ReadError> {
        self.store
            .stream_version(stream)
            .map_err(|source| ReadError::Store { stream: stream.clone(), source })
    }

    fn existing(&self, stream: &StreamId) -> Result<Replay<A>, LoadError> {
        let replay = self.hot.current(&self.store, stream)?;
        if replay.version == 0 { Err(LoadError::NotFound { stream: stream.clone() }) } else { Ok(replay) }
    }

    /// Once: load, decide, apply, store.
    fn attempt<R>(
        &self,
        command: A::Command,
        options: &ExecuteOptions<'_, A::Services, R>,
    ) -> Result<Executed<A>, ExecuteError<A::Error>> {
        let stream = StreamId::of::<A>(command.aggregate_id());
        if let Some(key) = &options.key
            && let Some(outcome) = known_outcome(&self.store, &stream, key)?
        {
            return self.repeat(&stream, outcome);
        }
        let mut replay = self.hot.current(&self.store, &stream)?;
        let services = options.services.unwrap_or(&self.services);
        let decided = match check_expected(&stream, options.expected, replay.version) {
            Ok(()) => replay.state.execute(command, services).map_err(ExecuteError::Refused),
            Err(conflict) => Err(conflict.into()),
        };
        let events = match (decided, &options.key) {
            (Ok(events), _) => events,
            (Err(error), None) => return Err(error),
            // It may be that the very command has been carried out between the two looks at the store.
            (Err(error), Some(key)) => match known_outcome(&self.store, &stream, key)? {
                Some(outcome) => return self.repeat(&stream, outcome),
                None => return Err(error),
            },
        };
        if events.is_empty() && options.key.is_none() {
            return Ok(Executed::new(&replay, Vec::new()));
        }
        let mut encoded = Encoded::new();
        let recorded_at = options.recorded_at.unwrap_or_else(Timestamp::now);
        encoded
            .add(events, &options.metadata, recorded_at)
            .map_err(|source| encode_failed(&stream, source))?;
        // Applied to a state that is ours alone, before anything is stored: an event whose `apply` panics would make
        // the aggregate impossible to load, for ever.
        if !encoded.events().is_empty() {
            let state = ours(&mut replay.state);
            encoded.events().iter().for_each(|event| state.apply(event));
        }
        let new_events = encoded.new_events();
        let key = options.key.as_deref();
        let key = key.map(|key| NewKey { key, events: 0..new_events.len(), recorded_at: Timestamp::now() });
        let appended = self.store.append(&[Append {
            stream: &stream,
            expected: ExpectedVersion::Exactly(replay.version),
            events: &new_events,
            keys: key.as_slice(),
        }]);
        let appended = match appended {
            Ok(appended) => appended,
            // Another thread has just carried out the very command.
            Err(AppendError::KnownKey { outcome, .. }) => return self.repeat(&stream, outcome),
            Err(error) => {
                if let AppendError::Conflict(conflict) = &error {
                    self.hot.conflicted(conflict, replay.version);
                }
                return Err(error.into());
            }
        };
        let events = encoded.into_recorded(&stream, replay.version, appended.first_position);
        replay.moved_on(&events);
        self.hot.settle(&self.store, &stream, &mut replay);
        Ok(Executed::new(&replay, events))
    }

    /// The outcome of a command that was carried out before.
    fn repeat(&self, stream: &StreamId, outcome: Outcome) -> Result<Executed<A>, ExecuteError<A::Error>> {
        let replay = self.hot.load(&self.store, stream, Some(Moment::Version(outcome.version)))?;
        let mut events = Vec::new();
        let mut result = Ok(());
        let count = usize::try_from(outcome.version.saturating_sub(outcome.before)).unwrap_or(usize::MAX);
        let mut version = outcome.before;
        let read = self.store.read_stream(stream, outcome.before, count, &mut |event| {
            result = recorded(stream, event, version, |event| events.push(event));
            version += 1;
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        read.map_err(|source| ReadError::Store { stream: stream.clone(), source })?;
        result?;
        Ok(Executed { state: replay.state, version: outcome.version, events, repeated: true })
    }
}

/// What the command with this key has led to, if the store knows.
pub(crate) fn known_outcome<S: EventStore>(
    store: &S,
    stream: &StreamId,
    key: &str,
) -> Result<Option<Outcome>, ReadError> {
    store.outcome(stream, key).map_err(|source| ReadError::Store { stream: stream.clone(), source })
}

/// The version that the sender of a command counts on must be the aggregate's.
pub(crate) fn check_expected(stream: &StreamId, expected: Option<u64>, actual: u64) -> Result<(), Conflict> {
    match expected {
        Some(expected) if expected != actual => {
            Err(Conflict::new(stream.clone(), ExpectedVersion::Exactly(expected), actual))
        }
        _ => Ok(()),
    }
}

impl<A> Loaded<A> {
    /// The state.
    pub fn state(&self) -> &A {
        &self.state
    }

    /// The state, owned; a copy, if the repository keeps it.
    pub fn into_state(self) -> A
    where
        A: Aggregate,
    {
        Arc::try_unwrap(self.state).unwrap_or_else(|shared| shared.duplicate())
    }

    /// The version that the state is at: how many events led to it.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The stream that the events stand in.
    pub fn stream(&self) -> &StreamId {
        &self.stream
    }
}

impl<A: Aggregate> Executed<A> {
    /// The state, and the events that have just brought it there.
    pub(crate) fn new(replay: &Replay<A>, events: Vec<Recorded<A::Event>>) -> Self {
        Self { state: Arc::clone(&replay.state), version: replay.version, events, repeated: false }
    }

    /// The state after the command.
    pub fn state(&self) -> &A {
        &self.state
    }

    /// The state after the command, owned; a copy, if the repository keeps it.
    pub fn into_state(self) -> A {
        Arc::try_unwrap(self.state).unwrap_or_else(|shared| shared.duplicate())
    }

    /// The version that the aggregate is at after the command.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The events that were recorded, as they stand in the store.
    pub fn events(&self) -> &[Recorded<A::Event>] {
        &self.events
    }

    /// The position of the newest of these events; `None` if there are none. What a projection has to come to before it
    /// shows them.
    pub fn position(&self) -> Option<u64> {
        self.events.last().map(|event| event.position)
    }

    /// Whether the command led to no events: none were stored.
    pub fn is_unchanged(&self) -> bool {
        self.events.is_empty()
    }

    /// Whether this is the outcome of an earlier command with the same idempotency key: nothing was stored this time.
    pub fn is_repeated(&self) -> bool {
        self.repeated
    }
}

impl<A: Aggregate + fmt::Debug> fmt::Debug for Executed<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executed")
            .field("state", &self.state)
            .field("version", &self.version)
            .field("events", &self.events)
            .field("repeated", &self.repeated)
            .finish()
    }
}

impl<A: Aggregate, S: Clone> Clone for Repository<A, S>
where
    A::Services: Clone,
{
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), services: self.services.clone(), hot: Arc::clone(&self.hot) }
    }
}

impl<A: Aggregate, S: fmt::Debug> fmt::Debug for Repository<A, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository")
            .field("aggregate", &A::NAME)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

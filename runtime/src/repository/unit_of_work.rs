//! The unit of work: several commands, one commit.

use std::any::{Any, TypeId};
use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::ptr;
use std::sync::Arc;

use crate::domain::accepts::Accepts;
use crate::domain::aggregate::Aggregate;
use crate::domain::command_mark::CommandMark;
use crate::domain::command_set::CommandSet;
use crate::domain::metadata::Recorded;
use crate::domain::panic::discard;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::misuse;
use crate::repository::back_off::back_off;
use crate::repository::decide::{Draft, decide};
use crate::repository::encode::Encoded;
use crate::repository::error::{ExecuteError, ReadError};
use crate::repository::execute_options::{ExecuteOptions, NoRetry};
use crate::repository::known_key::KeyOfCommand;
use crate::repository::lanes::{Base, Flight, InLane, LockedLane, Standing, Turn};
use crate::repository::loading::Loader;
use crate::repository::outcome::Executed;
use crate::repository::replay::Replay;
use crate::repository::repository::Repository;
use crate::repository::state_cache::CacheOptions;
use crate::repository::submit::{Submitted, confirm};
use crate::repository::waits::{Blocks, Waits, now};
use crate::store::append::{Append, Appended, ExpectedVersion, NewEvent, NewKey, Outcome};
use crate::store::error::{AppendError, Conflict, KeyReused};
use crate::store::event_store::EventStore;
use crate::store::queue::{Chain, QueueError};
use crate::telemetry::measure;
use crate::trace;
use crate::trace::Span;

/// Commands to one or more aggregates, whose events are stored in one commit: all or none.
///
/// Each command is decided on at once, with the state that the commands before it led to. Nothing is stored
/// until [`commit`](Self::commit); a unit of work that is dropped stores nothing.
///
/// ```
/// # use factum::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Serialize, Deserialize, Event)] struct Changed { cents: i64 }
/// # #[derive(Debug, Command)] struct Change { #[command(id)] account: String, cents: i64 }
/// # #[derive(Debug, Default, Clone, Aggregate)]
/// # #[aggregate(id = String, commands(Change), events(Changed))]
/// # struct Account { balance: i64 }
/// # #[handlers] impl Account {
/// #     #[execute] fn change(&self, command: Change) -> Changed { Changed { cents: command.cents } }
/// #     #[apply] fn changed(&mut self, event: &Changed) { self.balance += event.cents; }
/// # }
/// let store = MemoryStore::new();
/// let accounts = store.repository::<Account>();
///
/// let mut transfer = store.unit_of_work();
/// transfer.execute(&accounts, Change { account: "alice".into(), cents: -50 })?;
/// transfer.execute(&accounts, Change { account: "bob".into(), cents: 50 })?;
/// transfer.commit()?;
///
/// assert_eq!(accounts.load(&"bob".into())?.state().balance, 50);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Commands are decided on the states that other commands of the process lead to, as in a
/// [`Repository`], before these are stored. A unit takes no turns: the commit is a conflict if another command was
/// faster. It is also one if an aggregate is no longer at the version at which it was read, even if the unit's own
/// commands led to no events. [`EventStoreExt::atomically`](crate::EventStoreExt::atomically) retries after a
/// conflict.
#[doc(alias = "transaction")]
#[must_use = "nothing is stored before `.commit()`"]
pub struct UnitOfWork<'s, S> {
    store: &'s S,
    streams: Vec<BoxedStream>,
    /// Where in `streams` each aggregate is.
    places: HashMap<(StreamName, TypeId), usize>,
}

/// The result of a command in a unit of work, which is not stored yet.
#[derive(Debug)]
pub struct Decided<'w, A: Aggregate> {
    state: &'w A,
    events: &'w [A::Event],
}

impl<'w, A: Aggregate> Decided<'w, A> {
    /// The state that the aggregate will have after the commit.
    #[must_use]
    pub fn state(&self) -> &'w A {
        self.state
    }

    /// The events of this command.
    #[must_use]
    pub fn events(&self) -> &'w [A::Event] {
        self.events
    }

    /// Whether the command led to no events.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.events.is_empty()
    }
}

/// What a commit has stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Committed {
    /// The number of events, over all aggregates.
    pub events: u64,
    /// The position of the last event; `None` if there were no events.
    pub position: Option<Position>,
}

impl Committed {
    /// A commit of so many events, the last of them at this position.
    #[must_use]
    pub const fn new(events: u64, position: Option<Position>) -> Self {
        Self { events, position }
    }
}

/// An aggregate that units of work and batches can change: a task may carry them from thread to thread.
pub trait InUnits: Aggregate<Event: Send> + Send + Sync {}

impl<A: Aggregate<Event: Send> + Send + Sync> InUnits for A {}

type BoxedStream = Box<dyn ChangedStream + Send>;

/// One aggregate of a unit of work, of any type.
trait ChangedStream {
    fn id(&self) -> &StreamName;
    fn version(&self) -> u64;
    fn new_events(&self) -> Vec<NewEvent<'_>>;
    fn new_keys(&self) -> Vec<NewKey<'_>>;
    /// Fails if the outcome that the store has for this key is that of another command.
    fn check_known(&self, key: &str, outcome: &Outcome) -> Result<(), KeyReused>;
    /// Whether a command was decided on a state that was not stored after all.
    fn is_void(&self) -> bool;
    /// Whether the stream was read from the store.
    fn is_stored(&self) -> bool;
    /// A place in an order of all lanes, in which the streams' lanes are locked.
    fn order(&self) -> usize;
    /// Locks the stream's lane.
    fn lock(&self) -> Box<dyn LockedStream + '_>;
    /// Called when the append has its answer, before anything that may take long.
    fn answered(&mut self);
    /// Called when the events are stored, the first of them at this position.
    fn committed(&mut self, store: &dyn EventStore, first_position: Option<Position>);
    fn as_any(&mut self) -> &mut dyn Any;
}

/// A stream whose lane stays as it is until the unit's append is queued.
trait LockedStream {
    /// Whether no other command to the stream was queued in the meantime.
    fn is_at_base(&self) -> bool;
    /// What the unit rests on in this stream. If `leads_on`, other commands may be decided on the unit's events.
    fn chain(&self, leads_on: bool) -> Result<Option<Chain>, QueueError>;
    /// Notes that the unit's append is queued, and unlocks the lane.
    fn queued(self: Box<Self>, leads_on: bool);
}

struct LockedPending<'p, A: Aggregate> {
    pending: &'p PendingStream<A>,
    lane: LockedLane<'p, A>,
}

impl<A: Aggregate> LockedStream for LockedPending<'_, A> {
    fn is_at_base(&self) -> bool {
        self.lane.is_at(&self.pending.base)
    }

    fn chain(&self, leads_on: bool) -> Result<Option<Chain>, QueueError> {
        self.lane.chain(&self.pending.base, leads_on && !self.pending.encoded.events().is_empty())
    }

    fn queued(self: Box<Self>, leads_on: bool) {
        let PendingStream { base, encoded, replay, keys, .. } = self.pending;
        let events = encoded.events().len();
        let next = (leads_on && events > 0).then_some(|| replay.ahead(events, encoded.last_id()));
        self.pending.flight.set(Some(self.lane.queued(base, next, keys.iter().map(|key| &*key.text))));
    }
}

struct PendingStream<A: Aggregate> {
    /// The append of the unit, once it is queued. Dropped before the lane is left.
    flight: Cell<Option<Flight<A>>>,
    lane: InLane<A>,
    /// The place in the lane that the unit is decided at.
    base: Base<A>,
    is_void: bool,
    /// The version as it was read, and the state after all new events, which only this unit has until the
    /// commit.
    replay: Replay<A>,
    encoded: Encoded<A::Event>,
    keys: Vec<Key>,
    loader: Arc<Loader<A>>,
    /// The events, once they are stored.
    recorded: Vec<Recorded<A::Event>>,
}

impl<A: Aggregate> PendingStream<A> {
    fn key(&self, key: &str) -> Option<&Key> {
        self.keys.iter().find(|pending| pending.text == key)
    }

    /// Adds the events of a command.
    fn add(&mut self, draft: Draft<A>, key: Option<KeyOfCommand<'_>>) -> Decided<'_, A> {
        let before = self.encoded.events().len();
        self.replay = draft.replay;
        self.encoded.append(draft.encoded);
        let events = before..self.encoded.events().len();
        if let Some(KeyOfCommand { key, command }) = key {
            self.keys.push(Key { text: key.to_owned(), command, events, recorded_at: Timestamp::now() });
        }
        let events = self.encoded.events().get(before..).unwrap_or_default();
        Decided { state: &self.replay.state, events }
    }
}

/// The idempotency key of one command, and which of the stream's new events belong to that command.
struct Key {
    text: String,
    command: CommandMark,
    events: Range<usize>,
    recorded_at: Timestamp,
}

impl Key {
    fn of_command(&self) -> KeyOfCommand<'_> {
        KeyOfCommand { key: &self.text, command: self.command.clone() }
    }
}

impl<A: InUnits> ChangedStream for PendingStream<A> {
    fn id(&self) -> &StreamName {
        self.lane.stream()
    }

    fn version(&self) -> u64 {
        self.replay.version
    }

    fn new_events(&self) -> Vec<NewEvent<'_>> {
        self.encoded.new_events()
    }

    fn new_keys(&self) -> Vec<NewKey<'_>> {
        self.keys.iter().map(|key| key.of_command().as_new(key.events.clone(), key.recorded_at)).collect()
    }

    fn check_known(&self, key: &str, outcome: &Outcome) -> Result<(), KeyReused> {
        self.key(key).map_or(Ok(()), |pending| pending.of_command().check(self.lane.stream(), outcome))
    }

    fn answered(&mut self) {
        if let Some(flight) = self.flight.get_mut() {
            flight.answered();
        }
    }

    fn committed(&mut self, store: &dyn EventStore, first_position: Option<Position>) {
        let encoded = std::mem::replace(&mut self.encoded, Encoded::new());
        self.recorded = encoded.into_recorded(self.lane.stream(), self.replay.version, first_position);
        if let Some(flight) = self.flight.take()
            && !self.recorded.is_empty()
        {
            self.replay.record_appended(&self.recorded);
            let (lane, loader) = (&self.lane, &self.loader);
            lane.settle(&flight, &self.replay, |replay| loader.remember(store, lane.stream(), replay));
        }
    }

    fn is_void(&self) -> bool {
        self.is_void
    }

    fn is_stored(&self) -> bool {
        self.base.standing == Standing::Read
    }

    fn order(&self) -> usize {
        self.lane.order()
    }

    fn lock(&self) -> Box<dyn LockedStream + '_> {
        Box::new(LockedPending { pending: self, lane: self.lane.lock() })
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

impl<'s, S: EventStore> UnitOfWork<'s, S> {
    pub(crate) fn new(store: &'s S) -> Self {
        Self { store, streams: Vec::new(), places: HashMap::new() }
    }

    /// Runs `work` on a unit of work and commits it; both again after a conflict, at most `retries` times.
    pub(crate) async fn run<W: Waits, T, E: From<AppendError>>(
        store: &'s S,
        retries: u32,
        mut work: impl FnMut(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut failed = 0;
        loop {
            W::thread().await;
            let mut unit = Self::new(store);
            let done = work(&mut unit);
            if unit.streams.iter().any(|stream| stream.is_void()) {
                // No other writer was faster: a command of this process has failed.
                continue;
            }
            let done = match done {
                Ok(done) => done,
                // `work` may have failed because of a state that is not stored after all.
                Err(error) => {
                    if unit.holds::<W>().await? {
                        return Err(error);
                    }
                    continue;
                }
            };
            match unit.store::<W>(()).await {
                Ok(_) => return Ok(done),
                Err(QueueError::Void) => {}
                Err(QueueError::Append(AppendError::Conflict(_))) if failed < retries => {
                    // The unit would keep its place in the lanes while it waits.
                    drop(unit);
                    W::thread().await;
                    back_off(failed);
                    failed += 1;
                }
                Err(QueueError::Append(error)) => return Err(error.into()),
            }
        }
    }

    /// Decides on a command, and returns its events and the state that its aggregate will have.
    ///
    /// The aggregate is read from the store of this unit of work; the repository provides the services.
    ///
    /// Fails as [`Repository::execute`] does. The commands before the failed one stay part of the unit.
    pub fn execute<A, C>(
        &mut self,
        repository: &Repository<A, S>,
        command: C,
    ) -> Result<Decided<'_, A>, ExecuteError<A::Error>>
    where
        A: Accepts<C> + InUnits,
    {
        self.execute_with(repository, command, &ExecuteOptions::new())
    }

    /// Decides on a command as [`execute`](Self::execute) does, with options of its own.
    ///
    /// An expected version is the version of the aggregate in the store, before the commands of this unit.
    pub fn execute_with<A, C>(
        &mut self,
        repository: &Repository<A, S>,
        command: C,
        options: &ExecuteOptions<'_, A::Services, NoRetry>,
    ) -> Result<Decided<'_, A>, ExecuteError<A::Error>>
    where
        A: Accepts<C> + InUnits,
    {
        let command = A::command(command);
        let stream = StreamName::of::<A>(command.aggregate_id());
        self.decide(repository, &stream, command, options)
    }

    pub(crate) fn decide<A: InUnits>(
        &mut self,
        repository: &Repository<A, S>,
        stream: &StreamName,
        command: A::Command,
        options: &ExecuteOptions<'_, A::Services, NoRetry>,
    ) -> Result<Decided<'_, A>, ExecuteError<A::Error>> {
        command.validate()?;
        let options = &options.command;
        let key = options.key.as_deref().map(|key| KeyOfCommand { key, command: command.mark() });
        if let Some(key) = &key
            && let Some(outcome) = now(key.outcome::<Blocks, _, _>(self.store, stream))?
        {
            let (stream, key) = (stream.clone(), key.key.to_owned());
            return Err(AppendError::KnownKey { stream, key, outcome: outcome.into() }.into());
        }
        let store = self.store;
        let pending = self.pending(repository, stream)?;
        if let Some(KeyOfCommand { key, .. }) = key.as_ref().filter(|key| pending.key(key.key).is_some()) {
            let (stream, key) = (stream.clone(), (*key).to_owned());
            return Err(AppendError::MalformedKey { stream, key }.into());
        }
        // A copy decides, so that a panic leaves this unit of work unchanged.
        let decide = || decide(stream, pending.replay.clone(), command, options, repository.services());
        let failed = match catch_unwind(AssertUnwindSafe(decide)) {
            Ok(Ok(draft)) => return Ok(pending.add(draft, key)),
            failed => failed,
        };
        // The handler may have failed, or panicked, at a state that never was.
        match now(confirm::<Blocks, _, _>(store, &pending.lane, &pending.base, None)) {
            Err(QueueError::Void) => {
                discard(failed);
                pending.is_void = true;
                Err(conflict(store, stream, pending.base.replay.version).into())
            }
            Err(QueueError::Append(error)) if failed.is_ok() => Err(error.into()),
            _ => match failed {
                Ok(Ok(_)) => unreachable!("a draft has been returned"),
                Ok(Err(error)) => Err(error),
                Err(panic) => resume_unwind(panic),
            },
        }
    }
}

impl<S: EventStore> UnitOfWork<'_, S> {
    /// This unit's view of an aggregate; the first call reads the aggregate from the store.
    fn pending<A: InUnits>(
        &mut self,
        repository: &Repository<A, S>,
        stream: &StreamName,
    ) -> Result<&mut PendingStream<A>, ExecuteError<A::Error>> {
        // Two types of aggregate may share a category, and so a stream; the commit refuses to write a stream
        // twice.
        let place = (stream.clone(), TypeId::of::<A>());
        let index = match self.places.get(&place) {
            Some(&index) => index,
            None => {
                // The states that the repository keeps in memory are of its own store only, which that of a batch is.
                let own = repository.store().identity();
                let is_own = ptr::eq(self.store, repository.store())
                    || (own.is_some() && own == self.store.identity());
                let loader = if is_own {
                    Arc::clone(repository.loader())
                } else {
                    Arc::new(Loader::new(CacheOptions::aggregates(0)))
                };
                let lane = loader.lanes().enter(stream);
                let base = lane.base(|| {
                    let replay = now(loader.current::<Blocks, _>(self.store, stream))?;
                    Ok::<_, ReadError>((replay, Standing::Read))
                })?;
                let pending = PendingStream {
                    flight: Cell::new(None),
                    replay: base.replay.clone(),
                    lane,
                    base,
                    is_void: false,
                    encoded: Encoded::new(),
                    keys: Vec::new(),
                    loader,
                    recorded: Vec::new(),
                };
                self.streams.push(Box::new(pending));
                self.places.insert(place, self.streams.len() - 1);
                self.streams.len() - 1
            }
        };
        match self.streams.get_mut(index).and_then(|stream| stream.as_any().downcast_mut()) {
            Some(pending) => Ok(pending),
            None => unreachable!("the index is that of a stream of this type"),
        }
    }

    /// Stores the events of all commands, in one append.
    ///
    /// Fails with [`AppendError::Conflict`] if one of the aggregates has new events in the store. A commit
    /// that fails stores nothing.
    #[track_caller]
    pub fn commit(mut self) -> Result<Committed, AppendError> {
        misuse::blocks("UnitOfWork::commit", "atomically_async");
        now(self.store_or_conflict::<Blocks>(()))
    }

    /// Commits a batch, which has one aggregate and a turn there, and returns its result.
    pub(crate) async fn commit_one<W: Waits, A: InUnits>(
        mut self,
        repository: &Repository<A, S>,
        stream: &StreamName,
        turn: Option<Turn<'_, A>>,
    ) -> Result<Executed<A>, ExecuteError<A::Error>> {
        // A batch without commands has read nothing yet.
        self.pending(repository, stream)?;
        self.store_or_conflict::<W>(turn).await?;
        let pending = self.pending(repository, stream)?;
        let recorded = std::mem::take(&mut pending.recorded);
        Ok(Executed::new(&pending.replay, recorded))
    }

    /// Stores the events. If what the unit rests on was not stored, that is a conflict for a caller who can't
    /// decide again.
    async fn store_or_conflict<W: Waits>(&mut self, turn: impl Sized) -> Result<Committed, AppendError> {
        self.store::<W>(turn).await.map_err(|error| match (error, self.streams.first()) {
            (QueueError::Append(error), _) => error,
            (QueueError::Void, Some(first)) => conflict(self.store, first.id(), first.version()),
            (QueueError::Void, None) => unreachable!("a unit without streams rests on nothing"),
        })
    }

    /// Whether what the unit was decided on is stored: an append of no events behind it checks the versions. Comes back on a
    /// thread that may block.
    async fn holds<W: Waits>(&mut self) -> Result<bool, AppendError> {
        let answer = match self.queue_check::<W>() {
            Ok(answer) => answer.await,
            Err(holds) => return Ok(holds),
        };
        W::thread().await;
        match answer {
            Err(QueueError::Void | QueueError::Append(AppendError::Conflict(_))) => Ok(false),
            Err(QueueError::Append(error)) => Err(error),
            Ok(_) => Ok(true),
        }
    }

    /// The answer of an append of no events, or what is known without.
    fn queue_check<W: Waits>(
        &self,
    ) -> Result<impl Future<Output = Result<Appended, QueueError>> + use<W, S>, bool> {
        if self.streams.iter().all(|stream| stream.is_stored()) {
            return Err(true);
        }
        let appends: Vec<_> =
            self.streams.iter().map(|stream| Append::new(stream.id(), stream.version(), &[])).collect();
        let locked = lock_all(&self.streams);
        let Ok(chains) = chains_of(&locked, false) else { return Err(false) };
        let queued = self.store.queue(&appends, &chains);
        drop(locked);
        queued.map(W::answer).ok_or(true)
    }

    /// Ends `turn` as soon as the append has its place. Comes back on a thread that may block.
    async fn store<W: Waits>(&mut self, turn: impl Sized) -> Result<Committed, QueueError> {
        let span = Span::unit(self.streams.len());
        let work = pin!(async { self.store_unmeasured::<W>(turn).await.inspect_err(trace_conflict) });
        let measured = measure::unit(span, work, |stored| match stored {
            Ok(Committed { events, .. }) => (measure::Outcome::Done, *events),
            Err(QueueError::Void | QueueError::Append(AppendError::Conflict(_))) => {
                (measure::Outcome::Conflict, 0)
            }
            Err(QueueError::Append(_)) => (measure::Outcome::Failed, 0),
        });
        measured.await
    }

    async fn store_unmeasured<W: Waits>(&mut self, turn: impl Sized) -> Result<Committed, QueueError> {
        let appended = match queue::<W, S, _>(self.store, &self.streams, turn) {
            Ok(Some((Submitted::Queued(answer), counts))) => {
                answer.await.map(|appended| Some((appended, counts)))
            }
            Ok(Some((Submitted::Stored(appended), counts))) => Ok(Some((appended, counts))),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        // The commands that have a thread may wait for the answer.
        self.streams.iter_mut().for_each(|stream| stream.answered());
        W::thread().await;
        if let Err(QueueError::Append(AppendError::KnownKey { stream: id, key, outcome })) = &appended {
            let mut of_key = self.streams.iter().filter(|stream| stream.id() == id);
            of_key.try_for_each(|stream| stream.check_known(key, outcome)).map_err(AppendError::from)?;
        }
        let Some((appended, counts)) = appended? else {
            return Ok(Committed { events: 0, position: None });
        };
        let mut position = appended.first_position;
        for (stream, count) in self.streams.iter_mut().zip(&counts) {
            stream.committed(&self.store, position);
            position = position.map(|position| position.forward(*count));
        }
        let events = counts.iter().sum();
        Ok(Committed { events, position: position.filter(|_| events > 0).map(Position::previous) })
    }
}

fn trace_conflict(error: &QueueError) {
    if let QueueError::Append(AppendError::Conflict(conflict)) = error {
        trace::conflict(&conflict.stream, conflict.actual);
    }
}

/// Queues the append of the new events and keys, and returns the number of events of each stream too; `None` if there are none
/// to append.
///
/// Not a part of [`UnitOfWork::store`], as a future that goes from thread to thread can't have seen a lock.
#[expect(clippy::type_complexity, reason = "the future has no name")]
fn queue<W: Waits, S: EventStore, T>(
    store: &S,
    streams: &[BoxedStream],
    turn: T,
) -> Result<
    Option<(Submitted<impl Future<Output = Result<Appended, QueueError>> + use<W, S, T>>, Vec<u64>)>,
    QueueError,
> {
    let new: Vec<_> = streams.iter().map(|stream| (stream.new_events(), stream.new_keys())).collect();
    // An answer without events waits for what it rests on as well.
    let is_empty = new.iter().all(|(events, keys)| events.is_empty() && keys.is_empty());
    if is_empty && streams.iter().all(|stream| stream.is_stored()) {
        return Ok(None);
    }
    // Streams without new events are included: a decision on another stream may depend on their state.
    let appends: Vec<_> = streams
        .iter()
        .zip(&new)
        .map(|(stream, (events, keys))| Append {
            stream: stream.id(),
            expected: ExpectedVersion::Exactly(stream.version()),
            events,
            keys,
            timers: &[],
        })
        .collect();
    let counts = new.iter().map(|(events, _)| events.len() as u64).collect();
    let locked = lock_all(streams);
    // If another command came first in one stream, none may rest on the unit in the others.
    let leads_on = locked.iter().all(|stream| stream.is_at_base());
    let chains = chains_of(&locked, leads_on)?;
    let appended = match store.queue(&appends, &chains) {
        Some(queued) => {
            for stream in locked {
                stream.queued(leads_on);
            }
            drop(turn);
            Submitted::Queued(W::answer(queued))
        }
        None => {
            for stream in locked {
                stream.queued(false);
            }
            Submitted::Stored(store.append(&appends)?)
        }
    };
    Ok(Some((appended, counts)))
}

/// Locks the lanes of all streams, in one order for all units, so that none waits for another in a circle.
fn lock_all(streams: &[BoxedStream]) -> Vec<Box<dyn LockedStream + '_>> {
    let mut in_order: Vec<_> = streams.iter().collect();
    in_order.sort_by_key(|stream| stream.order());
    in_order.into_iter().map(|stream| stream.lock()).collect()
}

/// What an append to all streams rests on.
fn chains_of(locked: &[Box<dyn LockedStream + '_>], leads_on: bool) -> Result<Vec<Chain>, QueueError> {
    locked.iter().filter_map(|stream| stream.chain(leads_on).transpose()).collect()
}

/// The conflict of a command that rests on a state at `version` which was not stored.
fn conflict<S: EventStore>(store: &S, stream: &StreamName, version: u64) -> AppendError {
    match store.stream_version(stream) {
        Ok(actual) => Conflict::new(stream.clone(), ExpectedVersion::Exactly(version), actual).into(),
        Err(source) => AppendError::store(stream, source),
    }
}

impl<S> fmt::Debug for UnitOfWork<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let streams = self.streams.iter().map(|stream| stream.id());
        f.debug_list().entries(streams).finish()
    }
}

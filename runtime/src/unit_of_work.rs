//! Several commands, one commit.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::aggregate::Aggregate;
use crate::command::{Accepts, Command};
use crate::encode::{Encoded, encode_failed};
use crate::error::{AppendError, Conflict, ExecuteError};
use crate::id::StreamId;
use crate::metadata::Recorded;
use crate::options::{ExecuteOptions, Once};
use crate::replay::{Replay, ours};
use crate::repository::{CacheOptions, Executed, Hot, Repository, check_expected, known_outcome};
use crate::store::{Append, Appended, EventStore, ExpectedVersion, NewEvent, NewKey};
use crate::time::Timestamp;

/// Commands to one or more aggregates, whose events are stored in one commit: all or none.
///
/// Each command is decided on as it is given, on the state that the commands before it have led to. Nothing is stored
/// until [`commit`](Self::commit); a unit of work that is dropped has done nothing.
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
/// Every aggregate that was asked must still be at the version at which it was read, those that decided that nothing
/// happens as well: otherwise the commit is a conflict. [`EventStore::atomically`] then begins anew.
pub struct UnitOfWork<'s, S> {
    store: &'s S,
    streams: Vec<Box<dyn Stream>>,
    /// Where in `streams` each aggregate is.
    places: HashMap<(StreamId, TypeId), usize>,
}

/// What a command has led to in a unit of work: nothing of it is stored yet.
#[derive(Debug)]
pub struct Decided<'w, A: Aggregate> {
    state: &'w A,
    events: &'w [A::Event],
}

impl<'w, A: Aggregate> Decided<'w, A> {
    /// The state that the aggregate will have.
    pub fn state(&self) -> &'w A {
        self.state
    }

    /// The events of this command.
    pub fn events(&self) -> &'w [A::Event] {
        self.events
    }

    /// Whether the command led to no events.
    pub fn is_unchanged(&self) -> bool {
        self.events.is_empty()
    }
}

/// What a commit has stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// How many events, over all aggregates.
    pub events: u64,
    /// The position of the last of them; `None` if there were none.
    pub position: Option<u64>,
}

/// One aggregate of a unit of work, whatever its type.
trait Stream {
    fn id(&self) -> &StreamId;
    fn version(&self) -> u64;
    fn new_events(&self) -> Vec<NewEvent<'_>>;
    fn new_keys(&self) -> Vec<NewKey<'_>>;
    /// Its events are stored, the first of them at this position.
    fn committed(&mut self, store: &dyn EventStore, first_position: u64);
    /// Its events are not stored, since somebody else was faster.
    fn conflicted(&self, conflict: &Conflict);
    fn as_any(&mut self) -> &mut dyn Any;
}

struct Pending<A: Aggregate> {
    stream: StreamId,
    /// As it was read, with the state after all events so far: nobody's but ours until they are stored.
    replay: Replay<A>,
    encoded: Encoded<A::Event>,
    keys: Vec<Key>,
    hot: Arc<Hot<A>>,
    /// The events, once they are stored.
    recorded: Vec<Recorded<A::Event>>,
}

/// The idempotency key of one command, and which of the events are its own.
struct Key {
    text: String,
    events: Range<usize>,
    recorded_at: Timestamp,
}

impl<A: Aggregate> Stream for Pending<A> {
    fn id(&self) -> &StreamId {
        &self.stream
    }

    fn version(&self) -> u64 {
        self.replay.version
    }

    fn new_events(&self) -> Vec<NewEvent<'_>> {
        self.encoded.new_events()
    }

    fn new_keys(&self) -> Vec<NewKey<'_>> {
        let keys = self.keys.iter();
        keys.map(|Key { text, events, recorded_at }| NewKey {
            key: text,
            events: events.clone(),
            recorded_at: *recorded_at,
        })
        .collect()
    }

    fn committed(&mut self, store: &dyn EventStore, first_position: u64) {
        let encoded = std::mem::replace(&mut self.encoded, Encoded::new());
        self.recorded = encoded.into_recorded(&self.stream, self.replay.version, first_position);
        if !self.recorded.is_empty() {
            self.replay.moved_on(&self.recorded);
            self.hot.settle(store, &self.stream, &mut self.replay);
        }
    }

    fn conflicted(&self, conflict: &Conflict) {
        if conflict.stream == self.stream {
            self.hot.conflicted(conflict, self.replay.version);
        }
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

impl<'s, S: EventStore> UnitOfWork<'s, S> {
    /// An empty one; [`EventStore::unit_of_work`] makes it too.
    pub fn new(store: &'s S) -> Self {
        Self { store, streams: Vec::new(), places: HashMap::new() }
    }

    /// Decides on a command, and gives its events and the state that its aggregate will have.
    ///
    /// The aggregate is read from the store of this unit of work; the repository lends its services. Fails as
    /// [`Repository::execute`] does; the commands before stay part of the unit.
    pub fn execute<A, C>(
        &mut self,
        repository: &Repository<A, S>,
        command: C,
    ) -> Result<Decided<'_, A>, ExecuteError<A::Error>>
    where
        A: Accepts<C>,
    {
        self.execute_with(repository, command, &ExecuteOptions::new())
    }

    /// The same with metadata, an expected version, or services of its own.
    ///
    /// The expected version is that of the aggregate in the store, before anything of this unit.
    pub fn execute_with<A, C>(
        &mut self,
        repository: &Repository<A, S>,
        command: C,
        options: &ExecuteOptions<'_, A::Services, Once>,
    ) -> Result<Decided<'_, A>, ExecuteError<A::Error>>
    where
        A: Accepts<C>,
    {
        let command = A::command(command);
        let stream = StreamId::of::<A>(command.aggregate_id());
        self.decide(repository, &stream, command, options)
    }

    pub(crate) fn decide<A: Aggregate>(
        &mut self,
        repository: &Repository<A, S>,
        stream: &StreamId,
        command: A::Command,
        options: &ExecuteOptions<'_, A::Services, Once>,
    ) -> Result<Decided<'_, A>, ExecuteError<A::Error>> {
        let store = self.store;
        let pending = self.pending(repository, stream)?;
        if let Some(key) = &options.key {
            let known = pending.keys.iter().any(|pending| pending.text == *key);
            let outcome = known_outcome(store, stream, key)?;
            if known || outcome.is_some() {
                return Err(match outcome {
                    Some(outcome) => {
                        AppendError::KnownKey { stream: stream.clone(), key: key.clone(), outcome }.into()
                    }
                    None => AppendError::MalformedKey { stream: stream.clone(), key: key.clone() }.into(),
                });
            }
        }
        check_expected(stream, options.expected, pending.replay.version)?;
        let services = options.services.unwrap_or(repository.services());
        let events = pending.replay.state.execute(command, services).map_err(ExecuteError::Refused)?;
        // Applied to a copy first: if that panics, this unit of work is what it was.
        let mut state = Arc::clone(&pending.replay.state);
        if !events.is_empty() {
            let state = ours(&mut state);
            for event in &events {
                state.apply(event);
            }
        }
        let before = pending.encoded.events().len();
        pending
            .encoded
            .add(events, &options.metadata, options.recorded_at.unwrap_or_else(Timestamp::now))
            .map_err(|source| encode_failed(stream, source))?;
        let events = before..pending.encoded.events().len();
        if let Some(text) = options.key.clone() {
            pending.keys.push(Key { text, events, recorded_at: Timestamp::now() });
        }
        pending.replay.state = state;
        let events = pending.encoded.events().get(before..).unwrap_or_default();
        Ok(Decided { state: &pending.replay.state, events })
    }
}

impl<S: EventStore> UnitOfWork<'_, S> {
    /// What this unit knows of an aggregate; read from the store if it is the first time.
    fn pending<A: Aggregate>(
        &mut self,
        repository: &Repository<A, S>,
        stream: &StreamId,
    ) -> Result<&mut Pending<A>, ExecuteError<A::Error>> {
        // Two types of aggregate may share a name, and so a stream; the commit refuses to write it twice.
        let place = (stream.clone(), TypeId::of::<A>());
        let index = match self.places.get(&place) {
            Some(&index) => index,
            None => {
                // What the repository keeps in memory is of its own store.
                let own = repository.store().identity();
                let hot = if own.is_some() && own == self.store.identity() {
                    Arc::clone(repository.hot())
                } else {
                    Arc::new(Hot::new(CacheOptions::aggregates(0)))
                };
                let pending = Pending {
                    stream: stream.clone(),
                    replay: hot.current(self.store, stream)?,
                    encoded: Encoded::new(),
                    keys: Vec::new(),
                    hot,
                    recorded: Vec::new(),
                };
                self.streams.push(Box::new(pending));
                self.places.insert(place, self.streams.len() - 1);
                self.streams.len() - 1
            }
        };
        match self.streams.get_mut(index).and_then(|stream| stream.as_any().downcast_mut()) {
            Some(pending) => Ok(pending),
            None => unreachable!("the index was found, or made, for this very type"),
        }
    }

    /// Stores the events of all commands, in one append.
    ///
    /// Fails, with nothing stored, with [`AppendError::Conflict`] if one of the aggregates has moved on meanwhile.
    pub fn commit(mut self) -> Result<Committed, AppendError> {
        self.store()
    }

    /// The same for the one aggregate of a batch.
    pub(crate) fn commit_one<A: Aggregate>(
        mut self,
        repository: &Repository<A, S>,
        stream: &StreamId,
    ) -> Result<Executed<A>, ExecuteError<A::Error>> {
        // A batch without commands has read nothing yet.
        self.pending(repository, stream)?;
        self.store()?;
        let pending = self.pending(repository, stream)?;
        let recorded = std::mem::take(&mut pending.recorded);
        Ok(Executed::new(&pending.replay, recorded))
    }

    fn store(&mut self) -> Result<Committed, AppendError> {
        let appended = append(self.store, &self.streams);
        if let Err(AppendError::Conflict(conflict)) = &appended {
            self.streams.iter().for_each(|stream| stream.conflicted(conflict));
        }
        let Some((appended, counts)) = appended? else {
            return Ok(Committed { events: 0, position: None });
        };
        let mut position = appended.first_position;
        for (stream, count) in self.streams.iter_mut().zip(&counts) {
            stream.committed(&self.store, position);
            position += count;
        }
        let events = counts.iter().sum();
        Ok(Committed { events, position: (events > 0).then(|| position - 1) })
    }
}

/// Appends what the streams have, and tells how many events each had; `None` if there was nothing to append.
fn append<S: EventStore>(
    store: &S,
    streams: &[Box<dyn Stream>],
) -> Result<Option<(Appended, Vec<u64>)>, AppendError> {
    let new: Vec<_> = streams.iter().map(|stream| (stream.new_events(), stream.new_keys())).collect();
    if new.iter().all(|(events, keys)| events.is_empty() && keys.is_empty()) {
        return Ok(None);
    }
    // With those that got no events: what was decided elsewhere may depend on what they were.
    let appends: Vec<_> = streams
        .iter()
        .zip(&new)
        .map(|(stream, (events, keys))| Append {
            stream: stream.id(),
            expected: ExpectedVersion::Exactly(stream.version()),
            events,
            keys,
        })
        .collect();
    let counts = new.iter().map(|(events, _)| events.len() as u64).collect();
    Ok(Some((store.append(&appends)?, counts)))
}

impl<S> fmt::Debug for UnitOfWork<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let streams = self.streams.iter().map(|stream| stream.id());
        f.debug_list().entries(streams).finish()
    }
}

//! Several commands, one commit.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;

use crate::aggregate::Aggregate;
use crate::command::{Accepts, Command};
use crate::encode::{Encoded, encode_failed};
use crate::error::{AppendError, ExecuteError};
use crate::id::StreamId;
use crate::options::{ExecuteOptions, Once};
use crate::replay::Replay;
use crate::repository::{Executed, Repository, check_expected};
use crate::store::{Append, EventStore, ExpectedVersion, NewEvent};
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
    fn as_any(&mut self) -> &mut dyn Any;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

struct Pending<A: Aggregate> {
    stream: StreamId,
    /// The version that was read.
    version: u64,
    /// The state after all events so far: nobody's but ours until they are stored.
    state: A,
    encoded: Encoded<A::Event>,
}

impl<A: Aggregate> Stream for Pending<A> {
    fn id(&self) -> &StreamId {
        &self.stream
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn new_events(&self) -> Vec<NewEvent<'_>> {
        self.encoded.new_events()
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
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
        let pending = self.pending::<A>(stream)?;
        check_expected(stream, options.expected, pending.version)?;
        let services = options.services.unwrap_or(repository.services());
        let events = pending.state.execute(command, services).map_err(ExecuteError::Refused)?;
        let before = pending.encoded.events().len();
        pending
            .encoded
            .add(events, &options.metadata, options.recorded_at.unwrap_or_else(Timestamp::now))
            .map_err(|source| encode_failed(stream, source))?;
        for event in pending.encoded.events().iter().skip(before) {
            pending.state.apply(event);
        }
        let events = pending.encoded.events().get(before..).unwrap_or_default();
        Ok(Decided { state: &pending.state, events })
    }
}

impl<S: EventStore> UnitOfWork<'_, S> {
    /// What this unit knows of an aggregate; read from the store if it is the first time.
    fn pending<A: Aggregate>(
        &mut self,
        stream: &StreamId,
    ) -> Result<&mut Pending<A>, ExecuteError<A::Error>> {
        // Two types of aggregate may share a name, and so a stream; the commit refuses to write it twice.
        let place = (stream.clone(), TypeId::of::<A>());
        let index = match self.places.get(&place) {
            Some(&index) => index,
            None => {
                let mut replay = Replay::<A>::new();
                replay.advance(self.store, stream, None)?;
                let Replay { state, version } = replay;
                let pending = Pending { stream: stream.clone(), version, state, encoded: Encoded::new() };
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
    pub fn commit(self) -> Result<Committed, AppendError> {
        commit(self.store, &self.streams)
    }

    /// The same for the one aggregate of a batch.
    pub(crate) fn commit_one<A: Aggregate>(
        mut self,
        stream: &StreamId,
    ) -> Result<Executed<A>, ExecuteError<A::Error>> {
        // A batch without commands has read nothing yet.
        self.pending::<A>(stream)?;
        let committed = commit(self.store, &self.streams)?;
        let first_position = committed.position.map_or(0, |last| last + 1 - committed.events);
        match self.streams.pop().map(|stream| stream.into_any().downcast::<Pending<A>>()) {
            Some(Ok(pending)) => {
                let Pending { stream, version, state, encoded } = *pending;
                let events = encoded.into_recorded(&stream, version, first_position);
                Ok(Executed::new(Replay { state, version }, events))
            }
            _ => unreachable!("a batch has one aggregate, read above"),
        }
    }
}

fn commit<S: EventStore>(store: &S, streams: &[Box<dyn Stream>]) -> Result<Committed, AppendError> {
    let new_events: Vec<_> = streams.iter().map(|stream| stream.new_events()).collect();
    let events = new_events.iter().map(|events| events.len() as u64).sum();
    if events == 0 {
        return Ok(Committed { events, position: None });
    }
    // With those that got no events: what was decided elsewhere may depend on what they were.
    let appends: Vec<_> = streams
        .iter()
        .zip(&new_events)
        .map(|(stream, events)| Append {
            stream: stream.id(),
            expected: ExpectedVersion::Exactly(stream.version()),
            events,
        })
        .collect();
    let appended = store.append(&appends)?;
    Ok(Committed { events, position: Some(appended.first_position + events - 1) })
}

impl<S> fmt::Debug for UnitOfWork<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let streams = self.streams.iter().map(|stream| stream.id());
        f.debug_list().entries(streams).finish()
    }
}

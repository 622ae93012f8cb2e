//! One aggregate of a unit of work, before the commit.

use std::any::Any;
use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

use crate::domain::aggregate::Aggregate;
use crate::domain::command_mark::CommandMark;
use crate::domain::metadata::Recorded;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::repository::decide::Draft;
use crate::repository::encode::Encoded;
use crate::repository::known_key::KeyOfCommand;
use crate::repository::lanes::flight::{Flight, LockedLane};
use crate::repository::lanes::{Base, InLane, Standing};
use crate::repository::loading::Loader;
use crate::repository::replay::Replay;
use crate::repository::unit_of_work::{Decided, InUnits};
use crate::store::append::{NewEvent, NewKey, Outcome};
use crate::store::error::KeyReused;
use crate::store::event_store::EventStore;
use crate::store::queue::{Chain, QueueError};

pub(super) type BoxedStream = Box<dyn ChangedStream + Send>;

/// One aggregate of a unit of work, of any type.
pub(super) trait ChangedStream {
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
pub(super) trait LockedStream {
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

pub(super) struct PendingStream<A: Aggregate> {
    /// The append of the unit, once it is queued. Dropped before the lane is left.
    pub(super) flight: Cell<Option<Flight<A>>>,
    pub(super) lane: InLane<A>,
    /// The place in the lane that the unit is decided at.
    pub(super) base: Base<A>,
    pub(super) is_void: bool,
    /// The version as it was read, and the state after all new events, which only this unit has until the
    /// commit.
    pub(super) replay: Replay<A>,
    pub(super) encoded: Encoded<A::Event>,
    pub(super) keys: Vec<Key>,
    pub(super) loader: Arc<Loader<A>>,
    /// The events, once they are stored.
    pub(super) recorded: Vec<Recorded<A::Event>>,
}

impl<A: Aggregate> PendingStream<A> {
    pub(super) fn key(&self, key: &str) -> Option<&Key> {
        self.keys.iter().find(|pending| pending.text == key)
    }

    /// Adds the events of a command.
    pub(super) fn add(&mut self, draft: Draft<A>, key: Option<KeyOfCommand<'_>>) -> Decided<'_, A> {
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
pub(super) struct Key {
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

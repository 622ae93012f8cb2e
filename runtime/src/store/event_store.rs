//! The trait of all stores of events.

use std::ops::ControlFlow;
use std::task::Waker;
use std::time::Duration;

use uuid::Uuid;

use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::store::append::{Append, Appended, Outcome};
use crate::store::error::{AppendError, StoreError};
use crate::store::identity::{DatabaseIdentity, StoreIdentity};
use crate::store::queue::{Chain, QueuedAppend};
use crate::store::read::{Filter, ReplayedEvent, Visit, VisitReplayed};
use crate::store::snapshot::{StoredSnapshot, VisitSnapshot};
use crate::store::stored_key::{StoredKey, VisitKey};
use crate::store::task_reads::TaskReads;

/// An append-only store of events in streams.
///
/// Every event has a version, its place in its stream, and a position, its place in the whole store. Both
/// start at 1.
///
/// * The versions of a stream, and the positions of one append, have no gaps.
/// * A reader that has seen a position never sees a smaller one appear later.
///
/// A store is a handle: its clone is another handle to the same events. The laws that a store must keep are
/// tests in `factum::testing::conformance` (feature `testing`).
#[doc(alias = "event log")]
pub trait EventStore: Send + Sync {
    /// Appends events to one or several streams: all of them, or none.
    ///
    /// For a stream without new events, the store only checks the expected version, and keeps the keys.
    ///
    /// Fails with
    ///
    /// | error | if |
    /// |---|---|
    /// | [`AppendError::KnownKey`] | a stream already has one of the idempotency keys |
    /// | [`AppendError::Conflict`] | a stream is not at its expected version |
    /// | [`AppendError::StreamTwice`] | `appends` names a stream twice |
    /// | [`AppendError::MalformedKey`] | a key is given twice, or names events that are not in its append |
    ///
    /// Other errors are those of the store and of its hooks. After each error nothing is stored, with one
    /// exception: after [`StoreError::CommitUnknown`], the events may be stored.
    fn append(&self, appends: &[Append<'_>]) -> Result<Appended, AppendError>;

    /// Gives an append its place in the queue of commits, without waiting for it: what was queued before is
    /// stored before. `None` if the store has no queue. The caller then uses [`append`](Self::append), and no
    /// other command to the aggregate is decided before it returns.
    ///
    /// A store with a queue has one for an empty list too; a repository asks so. Such a store compares the events of
    /// a stream with a [`Chain::last_event`](crate::store::Chain::last_event).
    ///
    /// `appends` are those of [`append`](Self::append), and errors are the same. If one of `chains` is broken
    /// when the append's turn comes, the append is [void](crate::store::QueueError::Void). If the append is not stored, the
    /// store [ends](Chain::fail) all its chains.
    fn queue<'a>(&'a self, appends: &'a [Append<'a>], chains: &'a [Chain]) -> Option<QueuedAppend<'a>> {
        let _ = (appends, chains);
        None
    }

    /// Reads one stream in order of version: at most `limit` events after version `after`.
    ///
    /// Passes each event to `visit`, until `visit` breaks. A stream that does not exist has no events.
    fn read_stream(
        &self,
        stream: &StreamName,
        after: u64,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError>;

    /// Reads one stream for a replay, which needs only some parts of an event.
    ///
    /// Returns the id of the last event that `visit` got; `None` if it got none.
    ///
    /// Order, `after` and `limit` are those of [`read_stream`](Self::read_stream). A store that saves work by
    /// reading less overrides this method, and returns the same events.
    fn replay(
        &self,
        stream: &StreamName,
        after: u64,
        limit: usize,
        visit: &mut VisitReplayed<'_>,
    ) -> Result<Option<Uuid>, StoreError> {
        replay_whole_events(self, stream, after, limit, visit)
    }

    /// Whether the newest event of a stream is certainly the one with this version and this id.
    ///
    /// Then a state that ends with this event is used without another read. `false` is always a right answer:
    /// the caller reads the stream from that version on. A store that can tell cheaply overrides this method.
    fn ends_with(&self, stream: &StreamName, version: u64, id: Uuid) -> bool {
        let _ = (stream, version, id);
        false
    }

    /// Reads all streams in order of position: at most `limit` events after `after` that match `filter`.
    ///
    /// Passes each event to `visit`, until `visit` breaks.
    fn read_all(
        &self,
        filter: Filter<'_>,
        after: Position,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError>;

    /// The version of the newest event in a stream; 0 if the stream has no events.
    fn stream_version(&self, stream: &StreamName) -> Result<u64, StoreError>;

    /// The position of the newest event in the store; [`Position::START`] if the store has no events.
    fn position(&self) -> Result<Position, StoreError>;

    /// The position of the next event after a position; `None` if there is none.
    ///
    /// A reader that goes through the positions in steps begins each step there. So a gap, which only damage
    /// leaves, takes one step, however wide it is.
    fn next_position(&self, after: Position) -> Result<Option<Position>, StoreError> {
        let mut next = None;
        self.read_all(Filter::new().without_metadata(), after, 1, &mut |event| {
            next = Some(event.envelope.position);
            ControlFlow::Break(())
        })?;
        Ok(next)
    }

    /// The id of the event at a position; `None` if the store has none there.
    fn event_id(&self, position: Position) -> Result<Option<Uuid>, StoreError> {
        let mut found = None;
        if position > Position::START {
            self.read_all(Filter::new().until(position), position.previous(), 1, &mut |event| {
                found = Some(event.envelope.id);
                ControlFlow::Break(())
            })?;
        }
        Ok(found)
    }

    /// How often another server has taken over from the one that this program used. The earlier one may have shown events that are
    /// lost with it.
    ///
    /// If the number has changed since a read began, its events may be of two servers. The default is 0: a store that is one file
    /// loses nothing that was read.
    fn takeovers(&self) -> u64 {
        0
    }

    /// The position of the last event that was recorded before `time`; [`Position::START`] if there is none.
    ///
    /// A reader that begins after it gets the events that were recorded from that time on. The search halves
    /// the positions, so it reads few events. If times are out of order, as after an import of older events,
    /// it finds one of the places at which an event before `time` is followed by one at `time` or later.
    ///
    /// ```
    /// use factum::prelude::*;
    /// use factum::follow::SubscriptionOptions;
    /// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
    /// # use bank::*;
    /// # let store = MemoryStore::new();
    /// # let accounts = store.repository::<BankAccount>();
    /// accounts.execute(DepositMoney { account: AccountId("alice".into()), cents: 50 })?;
    /// let from = store.position_at(Timestamp::now())?;
    /// # std::thread::sleep(std::time::Duration::from_millis(1));
    /// accounts.execute(DepositMoney { account: AccountId("alice".into()), cents: 7 })?;
    /// let mut later = store.subscribe(SubscriptionOptions::new().after(from));
    /// let event = later.try_next().ok_or("there is an event")??;
    /// assert_eq!(event.decode_event::<MoneyDeposited>()?.map(|deposited| deposited.cents), Some(7));
    /// # Ok::<(), BoxError>(())
    /// ```
    fn position_at(&self, time: Timestamp) -> Result<Position, StoreError> {
        // The event at `before` is recorded before `time`. The event after `end` is not.
        let (mut before, mut end) = (Position::START, self.position()?);
        while before < end {
            let middle = before.forward(end.distance_from(before).div_ceil(2));
            let mut found = None;
            self.read_all(Filter::new().until(end), middle.previous(), 1, &mut |event| {
                found = Some((event.envelope.position, event.envelope.recorded_at));
                ControlFlow::Break(())
            })?;
            match found {
                Some((position, recorded_at)) if recorded_at < time => before = position,
                _ => end = middle.previous(),
            }
        }
        Ok(before)
    }

    /// Waits until the newest event is at `position` or beyond, but not longer than `timeout`.
    ///
    /// Appends of all writers count. Returns the position of the newest event; after a time-out, it is below
    /// `position`.
    fn wait_for(&self, position: Position, timeout: Duration) -> Result<Position, StoreError>;

    /// Wakes `waker` after each append, until [`unwatch`](Self::unwatch): the way to wait without a thread.
    ///
    /// Appends of all writers count. A store may wake it without an append too, and once for several. A caller
    /// that reads the position after this call misses no append. The waker runs in the thread of an append, or in
    /// the one that looks for appends of other processes: it must not block.
    ///
    /// Returns `false`, and wakes nothing, if the store has no such way to wait. This is the default.
    ///
    /// Fails if the store can't look for appends of other processes.
    fn watch(&self, waker: &Waker) -> Result<bool, StoreError> {
        let _ = waker;
        Ok(false)
    }

    /// Ends what [`watch`](Self::watch) has begun for a waker that wakes the same task.
    fn unwatch(&self, waker: &Waker) {
        let _ = waker;
    }

    /// The outcome of the command with this idempotency key; `None` if the stream does not know the key.
    fn outcome(&self, stream: &StreamName, key: &str) -> Result<Option<Outcome>, StoreError>;

    /// Deletes the idempotency keys that were recorded before `time`, and returns their number.
    ///
    /// A command with a deleted key counts as a new command.
    fn forget_keys_before(&self, time: Timestamp) -> Result<u64, StoreError>;

    /// Passes all idempotency keys to `visit`, until it breaks. The keys of one stream follow each other.
    ///
    /// `visit` may use the store. Keys that are stored meanwhile may be left out.
    ///
    /// Fails with [`StoreError::Unsupported`] in a store that can't list its keys, which is the default.
    fn read_keys(&self, visit: &mut VisitKey<'_>) -> Result<(), StoreError> {
        let _ = visit;
        Err(StoreError::Unsupported { what: "list its idempotency keys" })
    }

    /// Stores idempotency keys whose commands were executed in another store: all of them, or none. A stream need not have
    /// events.
    ///
    /// A key that the store has with the same outcome stays as it is. Fails with [`AppendError::KnownKey`] if a stream
    /// knows one with another outcome, and with [`StoreError::Unsupported`] in a store that has no such way, which is the
    /// default.
    fn import_keys(&self, keys: &[StoredKey<'_>]) -> Result<(), AppendError> {
        match keys.first() {
            Some(first) => Err(AppendError::store(
                first.stream,
                StoreError::Unsupported { what: "import idempotency keys" },
            )),
            None => Ok(()),
        }
    }

    /// Passes the snapshot of a stream to `visit`, if there is one.
    ///
    /// The store does not check the snapshot. The caller must, as [`Repository`](crate::Repository) does. A
    /// store without snapshots uses the defaults of this method, `save_snapshot` and `drop_snapshots`.
    fn read_snapshot(&self, stream: &StreamName, visit: &mut VisitSnapshot<'_>) -> Result<(), StoreError> {
        let _ = (stream, visit);
        Ok(())
    }

    /// Stores a snapshot of a stream in place of an earlier one.
    ///
    /// A store may do so later, or lose the snapshot: nothing depends on it.
    fn save_snapshot(&self, stream: &StreamName, snapshot: &StoredSnapshot<'_>) -> Result<(), StoreError> {
        let _ = (stream, snapshot);
        Ok(())
    }

    /// Drops all snapshots of one category, or of all, and returns their number.
    ///
    /// No data is lost, but the next loads are slower.
    fn drop_snapshots(&self, category: Option<&str>) -> Result<u64, StoreError> {
        let _ = category;
        Ok(0)
    }

    /// The categories that the store has streams of, each once.
    ///
    /// A follower that gives an aggregate by name finds a misspelled name with it. The default, for a store that
    /// can't tell, returns none.
    fn categories(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    /// A number that goes up when the store hears that another program may have changed a stream.
    ///
    /// As long as it does not, a state in memory is likely to be that of the stream. The default, for a store that hears of no
    /// changes, is always 0.
    fn foreign_changes(&self, stream: &StreamName) -> u64 {
        let _ = stream;
        0
    }

    /// The reads for tasks, if the store has some that need no thread while they wait.
    ///
    /// `None` is the default: a task then reads on a thread that may block.
    fn task_reads(&self) -> Option<&dyn TaskReads> {
        None
    }

    /// The identity of the store among the stores that are open in this process.
    ///
    /// All handles to one store have one identity; different stores have different ones. `None`, for a store
    /// that does not know, counts as different from every other. A unit of work uses a repository's hot
    /// aggregates only if the repository has the same store.
    fn identity(&self) -> Option<StoreIdentity> {
        None
    }

    /// The identity of the store's database, which other stores in this process may have open too.
    ///
    /// By default it is that of the store. A command of a process leaves the outbox with its events if both are in one database.
    fn database(&self) -> Option<DatabaseIdentity> {
        self.identity().map(DatabaseIdentity::OfStore)
    }

    /// The id that the store was made with, which it keeps when it is closed, opened, moved or copied.
    ///
    /// A follower stores it with its checkpoint, and so notices that it gets the events of another store.
    /// `None`, for a store that has no id, counts as equal to every other.
    fn store_id(&self) -> Result<Option<Uuid>, StoreError> {
        Ok(None)
    }
}

/// Replays a stream by a read of whole events; see [`EventStore::replay`].
pub(crate) fn replay_whole_events<S: EventStore + ?Sized>(
    store: &S,
    stream: &StreamName,
    after: u64,
    limit: usize,
    visit: &mut VisitReplayed<'_>,
) -> Result<Option<Uuid>, StoreError> {
    let mut last = None;
    store.read_stream(stream, after, limit, &mut |event| {
        last = Some(event.envelope.id);
        visit(&ReplayedEvent::from(event))
    })?;
    Ok(last)
}

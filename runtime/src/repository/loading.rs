//! Where a load begins: at a state in memory, at a snapshot, or at the first event.

use std::ops::ControlFlow;
use std::pin::pin;

use crate::domain::aggregate::Aggregate;
use crate::domain::panic::catch_panic;
use crate::domain::snapshot::Snapshots;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::repository::error::{ReadError, SnapshotError};
use crate::repository::guesses::Guesses;
use crate::repository::lanes::Lanes;
use crate::repository::moment::Moment;
use crate::repository::reads;
use crate::repository::replay::Replay;
use crate::repository::snapshots;
use crate::repository::state_cache::{CacheOptions, StateCache};
use crate::repository::statistics::{Counts, RepositoryStatistics, count};
use crate::repository::waits::Waits;
use crate::store::event_store::EventStore;
use crate::telemetry::measure;
use crate::telemetry::measure::LoadedFrom;
use crate::trace::Span;

/// The cached states and the counters that a repository shares with its clones.
pub(crate) struct Loader<A> {
    states: StateCache<A>,
    lanes: Lanes<A>,
    guesses: Guesses,
    counts: Counts,
}

impl<A: Aggregate> Loader<A> {
    pub(crate) fn new(options: CacheOptions<A>) -> Self {
        Self {
            states: StateCache::new(options),
            lanes: Lanes::new(),
            guesses: Guesses::default(),
            counts: Counts::default(),
        }
    }

    /// The aggregate as it is now.
    pub(crate) async fn current<W: Waits, S: EventStore + ?Sized>(
        &self,
        store: &S,
        stream: &StreamName,
    ) -> Result<Replay<A>, ReadError> {
        self.guesses.has_read();
        match self.states.get(stream) {
            Some(replay) if replay.is_current(store, stream) => {
                count(&self.counts.hits);
                measure::loaded_unread(A::CATEGORY, stream);
                Ok(replay)
            }
            cached => {
                let read = pin!(self.read::<W, _>(store, stream, cached));
                measure::load(Span::load(A::CATEGORY, stream), read).await
            }
        }
    }

    /// Reads what the state in memory lacks or, without one, the aggregate. Returns also where that began, and the number
    /// of events.
    async fn read<W: Waits, S: EventStore + ?Sized>(
        &self,
        store: &S,
        stream: &StreamName,
        cached: Option<Replay<A>>,
    ) -> Result<(Replay<A>, LoadedFrom, u64), ReadError> {
        // Before the read: what is heard of later may be missing in it.
        let foreign_changes = store.foreign_changes(stream);
        if let Some(mut replay) = cached {
            let (cached, heard) = (replay.version, replay.foreign_changes);
            replay.foreign_changes = foreign_changes;
            if replay.advance_confirmed::<W, _>(store, stream, None).await? {
                let events = replay.version - cached;
                count(if events == 0 { &self.counts.hits } else { &self.counts.outdated });
                if events > 0 || heard != foreign_changes {
                    self.remember(store, stream, &mut replay);
                }
                return Ok((replay, LoadedFrom::Memory, events));
            }
            self.states.remove(stream);
        }
        count(&self.counts.misses);
        let (mut replay, from, events) = self.read_stored::<W, _>(store, stream, None).await?;
        replay.foreign_changes = foreign_changes;
        if replay.version > 0 {
            self.remember(store, stream, &mut replay);
        }
        Ok((replay, from, events))
    }

    /// Loads the aggregate from the store, from the newest snapshot on if that is not later than `until`.
    pub(crate) async fn load<W: Waits, S: EventStore + ?Sized>(
        &self,
        store: &S,
        stream: &StreamName,
        until: Option<Moment>,
    ) -> Result<Replay<A>, ReadError> {
        let read = pin!(self.read_stored::<W, _>(store, stream, until));
        measure::load(Span::load(A::CATEGORY, stream), read).await
    }

    async fn read_stored<W: Waits, S: EventStore + ?Sized>(
        &self,
        store: &S,
        stream: &StreamName,
        until: Option<Moment>,
    ) -> Result<(Replay<A>, LoadedFrom, u64), ReadError> {
        if let Some(declared) = &A::SNAPSHOTS {
            // Most streams that are not cached are new. For them, looking for a snapshot would cost more than
            // the rest.
            let version = reads::stream_version::<W, _>(store, stream).await;
            let version = version.map_err(|source| ReadError::store(stream, source))?;
            if version == 0 {
                return Ok((Replay::new(), LoadedFrom::Start, 0));
            }
            let read = Self::from_snapshot::<W, _>(declared, store, stream, until, &self.counts);
            if let Some(mut replay) = read.await {
                let snapshot = replay.version;
                if replay.advance_confirmed::<W, _>(store, stream, until).await? {
                    count(&self.counts.used);
                    let events = replay.version - snapshot;
                    return Ok((replay, LoadedFrom::Snapshot, events));
                }
                count(&self.counts.ignored);
            }
        }
        let mut replay = Replay::new();
        replay.advance::<W, _>(store, stream, until).await?;
        let events = replay.version;
        Ok((replay, LoadedFrom::Start, events))
    }

    /// The state in the snapshot, which the snapshot's event has yet to confirm.
    async fn from_snapshot<W: Waits, S: EventStore + ?Sized>(
        declared: &Snapshots<A>,
        store: &S,
        stream: &StreamName,
        until: Option<Moment>,
        counts: &Counts,
    ) -> Option<Replay<A>> {
        let version = match until {
            None => u64::MAX,
            Some(Moment::Version(version)) => version,
            // A snapshot does not say when the events before it were recorded.
            Some(Moment::Time(_)) => return None,
        };
        let mut found = None;
        let read = reads::read_snapshot::<W, _>(store, stream, |snapshot| {
            if snapshot.version > version {
                return;
            }
            match snapshots::open(declared, stream, snapshot) {
                Ok(state) => found = Some(snapshots::as_replay(state, snapshot)),
                Err(_) => count(&counts.ignored),
            }
        });
        if read.await.is_err() {
            count(&counts.ignored);
        }
        found
    }

    /// Caches the new state of an aggregate, and takes a snapshot if one is due.
    ///
    /// The events are stored already, so a panic in a snapshot policy or in the function that weighs a state
    /// must not fail the command.
    pub(crate) fn remember<S: EventStore + ?Sized>(
        &self,
        store: &S,
        stream: &StreamName,
        replay: &mut Replay<A>,
    ) {
        if catch_panic(|| self.keep(store, stream, replay)).is_err() {
            count(&self.counts.failed);
            self.states.remove(stream);
        }
    }

    fn keep<S: EventStore + ?Sized>(&self, store: &S, stream: &StreamName, replay: &mut Replay<A>) {
        if let Some(declared) = &A::SNAPSHOTS {
            let events = replay.version.saturating_sub(replay.snapshot);
            if declared.policy.older_than.is_some() && replay.since.is_none() {
                replay.since = first_recorded(store, stream);
            }
            if declared.policy.is_due(&replay.state, events, replay.since) {
                // A snapshot that can't be taken is not tried again before the next one is due.
                let taken = snapshots::take(declared, store, stream, replay);
                count(if taken.is_ok() { &self.counts.taken } else { &self.counts.failed });
            }
        }
        self.states.put(stream, replay.clone());
    }

    /// Takes a snapshot whether it is due or not.
    pub(super) fn take_snapshot<S: EventStore + ?Sized>(
        &self,
        store: &S,
        stream: &StreamName,
        mut replay: Replay<A>,
    ) -> Result<(), SnapshotError> {
        let Some(declared) = &A::SNAPSHOTS else {
            return Err(SnapshotError::NotDeclared { aggregate: A::CATEGORY });
        };
        snapshots::take(declared, store, stream, &mut replay)?;
        count(&self.counts.taken);
        self.states.put(stream, replay);
        Ok(())
    }

    /// The state in memory, if a command can be decided on it without a read.
    pub(super) fn unread<S: EventStore + ?Sized>(&self, store: &S, stream: &StreamName) -> Option<Replay<A>> {
        self.likely(store, stream).inspect(|_| measure::loaded_unread(A::CATEGORY, stream))
    }

    /// Whether [`unread`](Self::unread) has a state.
    pub(super) fn has_unread<S: EventStore + ?Sized>(&self, store: &S, stream: &StreamName) -> bool {
        self.likely(store, stream).is_some()
    }

    /// The state in memory, if it is likely to be current.
    fn likely<S: EventStore + ?Sized>(&self, store: &S, stream: &StreamName) -> Option<Replay<A>> {
        self.states.get(stream).filter(|replay| {
            replay.event.is_some()
                && self.guesses.is_current(store)
                && replay.foreign_changes == store.foreign_changes(stream)
        })
    }

    /// Notes whether a state that was not read was right. If not, the command is decided again, and counts then.
    pub(super) fn was_right(&self, right: bool) {
        if right {
            count(&self.counts.hits);
        } else {
            self.guesses.was_wrong();
        }
    }

    /// The lanes of the commands that are running.
    pub(super) fn lanes(&self) -> &Lanes<A> {
        &self.lanes
    }

    pub(super) fn statistics(&self) -> RepositoryStatistics {
        self.counts.read(self.states.len())
    }
}

/// When the first event of the stream was recorded. If that can't be read, no snapshot is due by age.
fn first_recorded<S: EventStore + ?Sized>(store: &S, stream: &StreamName) -> Option<Timestamp> {
    let mut first = None;
    let read = store.read_stream(stream, 0, 1, &mut |event| {
        first = Some(event.envelope.recorded_at);
        ControlFlow::Break(())
    });
    read.ok().and(first)
}

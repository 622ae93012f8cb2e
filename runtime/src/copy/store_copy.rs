//! A copy of a store, from its options to its report.

use std::fmt;
use std::ops::ControlFlow;

use serde::de::IgnoredAny;

use crate::copy::copied_event::{Change, CopiedEvent};
use crate::copy::error::CopyError;
use crate::copy::events::Pass;
use crate::copy::keys;
use crate::domain::error::BoxError;
use crate::domain::position::Position;
use crate::follow::progress::{Progress, Report};
use crate::misuse;
use crate::store::event_store::EventStore;

/// How many events are appended at a time, unless the caller says otherwise.
const BATCH: usize = 1_000;

/// Begins a copy of the events and idempotency keys of `from` to `to`. [`run`](StoreCopy::run) carries it out.
///
/// Each is a store of any kind, or a reference to one. [`factum::copy`](mod@crate::copy) says what is copied, what an interrupted copy
/// leaves, and what becomes of followers.
///
/// ```
/// use factum::copy::Change;
/// use factum::prelude::*;
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
///
/// let from = MemoryStore::new();
/// for name in ["alice", "bob"] {
///     from.repository::<BankAccount>().execute(DepositMoney { account: AccountId(name.into()), cents: 50 })?;
/// }
/// // Bob asks to be forgotten.
/// let to = SqliteStore::in_memory()?;
/// let copy = factum::copy(&from, &to).changing(|event| {
///     Ok(if event.stream().key() == "bob" { Change::LeaveOut } else { Change::Keep })
/// });
/// let report = copy.run()?;
/// assert_eq!((report.events, report.left_out), (1, 1));
/// # Ok::<(), BoxError>(())
/// ```
pub fn copy<'f, F: EventStore, T: EventStore>(from: F, to: T) -> StoreCopy<'f, F, T> {
    StoreCopy { from, to, changes: Changes(None), batch: BATCH, report: None }
}

type ChangeEvent<'f> = dyn FnMut(&mut CopiedEvent) -> Result<Change, BoxError> + Send + 'f;

/// What a copy does with events; all are kept as they are if there is nothing.
pub(super) struct Changes<'f>(Option<Box<ChangeEvent<'f>>>);

impl Changes<'_> {
    pub(super) fn are_none(&self) -> bool {
        self.0.is_none()
    }

    /// Changes an event, if it is to be changed.
    pub(super) fn change(&mut self, event: &mut CopiedEvent) -> Result<Change, CopyError> {
        let Some(change) = &mut self.0 else { return Ok(Change::Keep) };
        let changed = change(event);
        let (position, stream) = (event.position(), event.stream());
        match changed {
            Ok(Change::LeaveOut) => Ok(Change::LeaveOut),
            Ok(Change::Keep) => match serde_json::from_str::<IgnoredAny>(&event.payload) {
                Ok(_) => Ok(Change::Keep),
                Err(source) => Err(CopyError::NotJson { position, stream: stream.clone(), source }),
            },
            Err(source) => Err(CopyError::Change { position, stream: stream.clone(), source }),
        }
    }
}

/// A copy of a store that [`factum::copy`](fn@crate::copy) has begun.
#[must_use = "nothing is copied before `run`"]
pub struct StoreCopy<'f, F, T> {
    pub(super) from: F,
    pub(super) to: T,
    pub(super) changes: Changes<'f>,
    pub(super) batch: usize,
    report: Option<Report>,
}

/// What a copy has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyReport {
    /// How many events the target has.
    pub events: u64,
    /// How many of them this run has appended. The others were there.
    pub appended: u64,
    /// How many events of the source were left out.
    pub left_out: u64,
    /// How many idempotency keys were copied, or were there.
    pub keys: u64,
    /// How many idempotency keys were left out, of streams that have no events left.
    pub keys_left_out: u64,
    /// The position in the source up to which all events are copied.
    pub position: Position,
    /// A hash over all events of the target, in order: ids, streams, names, event versions, times, metadata and payloads.
    pub checksum: u64,
}

impl<'f, F: EventStore, T: EventStore> StoreCopy<'f, F, T> {
    /// Passes each event of the source to `change`, which may change it or leave it out.
    ///
    /// A copy passes each event twice or more, the last time to compare the stores. So `change` must do the same each time, also if an
    /// interrupted copy is run again. An error of it ends the copy.
    ///
    /// ```
    /// # use factum::prelude::*;
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Debug, Clone, Serialize, Deserialize, Event)] pub struct CustomerNamed { pub name: String }
    /// # fn copied(from: &MemoryStore, to: &MemoryStore) -> Result<(), BoxError> {
    /// use factum::copy::Change;
    ///
    /// factum::copy(from, to).changing(|event| {
    ///     if let Some(mut named) = event.decode::<CustomerNamed>()? {
    ///         named.name = "(erased)".into();
    ///         event.replace(&named)?;
    ///     }
    ///     Ok(Change::Keep)
    /// }).run()?;
    /// # Ok(()) }
    /// # copied(&MemoryStore::new(), &MemoryStore::new()).unwrap();
    /// ```
    pub fn changing(
        mut self,
        change: impl FnMut(&mut CopiedEvent) -> Result<Change, BoxError> + Send + 'f,
    ) -> Self {
        self.changes = Changes(Some(Box::new(change)));
        self
    }

    /// Sets how many events, or keys, are appended at a time, and kept in memory: 1,000 by default, 1 at least.
    ///
    /// Events that take more than 4 MiB together are a batch too.
    pub fn batch(mut self, events: usize) -> Self {
        self.batch = events.max(1);
        self
    }

    /// Calls `callback` after each batch with the events of the source that are done: first when they are copied or found in the
    /// target, then again when they are compared. If it breaks, the copy ends with [`CopyError::Stopped`].
    pub fn on_progress(
        mut self,
        callback: impl FnMut(&Progress) -> ControlFlow<()> + Send + 'static,
    ) -> Self {
        self.report = Some(Report::new(Box::new(callback)));
        self
    }

    /// Copies what the target lacks, then compares both stores from their first events.
    ///
    /// An error leaves the target with a part of the copy, or as it was. [`CopyError`] says when to run it again.
    #[track_caller]
    pub fn run(mut self) -> Result<CopyReport, CopyError> {
        misuse::blocks("StoreCopy::run", "run_async");
        self.run_here()
    }

    pub(crate) fn run_here(&mut self) -> Result<CopyReport, CopyError> {
        let end = self.from.position().map_err(CopyError::Source)?;
        let mut copied = Pass::new(end);
        self.go_through(&mut copied, Self::copy_batch)?;
        let keys = keys::copy(self, &copied)?;
        let mut compared = Pass::new(end);
        self.go_through(&mut compared, Self::compare_batch)?;
        Ok(CopyReport {
            events: compared.events,
            appended: copied.appended,
            left_out: compared.left_out,
            keys: keys.copied,
            keys_left_out: keys.left_out,
            position: end,
            checksum: compared.checksum,
        })
    }

    /// Goes through all events of the source, batch by batch. In the end, the target must have no more events.
    fn go_through(
        &mut self,
        pass: &mut Pass,
        each: fn(&mut Self, &mut Pass, &[CopiedEvent]) -> Result<(), CopyError>,
    ) -> Result<(), CopyError> {
        if let Some(report) = &mut self.report {
            report.begin(Position::START, Position::START, pass.end);
        }
        while let Some(batch) = self.next_batch(pass)? {
            each(self, pass, &batch)?;
            let position = pass.source;
            if self.report.as_mut().is_some_and(|report| report.at(position).is_break()) {
                return Err(CopyError::Stopped { position });
            }
        }
        let (end, newest) = (pass.target(), self.to.position().map_err(CopyError::Target)?);
        if newest > end { Err(CopyError::MoreEvents { end, newest }) } else { Ok(()) }
    }
}

impl<F, T> fmt::Debug for StoreCopy<'_, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreCopy").field("batch", &self.batch).finish_non_exhaustive()
    }
}

//! An account, for all tests that need some aggregate.

use std::sync::Arc;
use std::time::Duration;

use factum::prelude::*;
use factum::sqlite::{Durability, SqliteOptions};
use factum::{
    Append, AppendError, Appended, Filter, Outcome, StoreError, StoredSnapshot, StreamId, Visit,
    VisitReplayed, VisitSnapshot,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, AggregateId)]
pub(crate) struct AccountId(pub(crate) String);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
pub(crate) struct Opened {
    pub(crate) owner: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(aliases("paid-in"))]
pub(crate) struct Deposited {
    pub(crate) cents: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
pub(crate) struct Withdrawn {
    pub(crate) cents: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
pub(crate) struct Closed;

#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub(crate) struct Open {
    #[command(id)]
    pub(crate) account: AccountId,
    pub(crate) owner: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub(crate) struct Deposit {
    #[command(id)]
    pub(crate) account: AccountId,
    pub(crate) cents: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub(crate) struct Withdraw {
    #[command(id)]
    pub(crate) account: AccountId,
    pub(crate) cents: i64,
}

/// Takes out what is left, then closes: two events, or one if nothing is left.
#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub(crate) struct Close(pub(crate) AccountId);

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Refused {
    #[error("not open")]
    NotOpen,
    #[error("open already")]
    OpenAlready,
    #[error("{missing} missing")]
    Overdrawn { missing: i64 },
    #[error("{0} is no amount")]
    NoAmount(i64),
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Aggregate)]
#[aggregate(
    id = AccountId,
    error = Refused,
    commands(Open, Deposit, Withdraw, Close),
    events(Opened, Deposited, Withdrawn, Closed),
    command(derive(Debug, Clone, Serialize, Deserialize)),
    event(derive(Clone, PartialEq)),
)]
pub(crate) struct Account {
    pub(crate) owner: Option<String>,
    pub(crate) cents: i64,
}

#[handlers]
impl Account {
    #[execute]
    fn open(&self, command: Open) -> Result<Option<Opened>, Refused> {
        match &self.owner {
            // To open it once more for the same owner changes nothing.
            Some(owner) if *owner == command.owner => Ok(None),
            Some(_) => Err(Refused::OpenAlready),
            None => Ok(Some(Opened { owner: command.owner })),
        }
    }

    #[execute]
    fn deposit(&self, command: Deposit) -> Result<Deposited, Refused> {
        self.check(command.cents)?;
        Ok(Deposited { cents: command.cents })
    }

    #[execute]
    fn withdraw(&self, command: Withdraw) -> Result<Withdrawn, Refused> {
        self.check(command.cents)?;
        match command.cents - self.cents {
            missing if missing > 0 => Err(Refused::Overdrawn { missing }),
            _ => Ok(Withdrawn { cents: command.cents }),
        }
    }

    #[execute]
    fn close(&self, _: Close) -> Result<(Option<Withdrawn>, Closed), Refused> {
        self.check(1)?;
        Ok(((self.cents > 0).then_some(Withdrawn { cents: self.cents }), Closed))
    }

    #[apply]
    fn opened(&mut self, event: &Opened) {
        self.owner = Some(event.owner.clone());
    }

    #[apply]
    fn deposited(&mut self, event: &Deposited) {
        self.cents += event.cents;
    }

    #[apply]
    fn withdrawn(&mut self, event: &Withdrawn) {
        self.cents -= event.cents;
    }

    #[apply]
    fn closed(&mut self, _: &Closed) {
        self.owner = None;
    }

    fn check(&self, cents: i64) -> Result<(), Refused> {
        if self.owner.is_none() {
            return Err(Refused::NotOpen);
        }
        if cents <= 0 { Err(Refused::NoAmount(cents)) } else { Ok(()) }
    }
}

pub(crate) fn id(name: &str) -> AccountId {
    AccountId(name.to_owned())
}

pub(crate) fn open(name: &str) -> Open {
    Open { account: id(name), owner: name.to_owned() }
}

pub(crate) fn deposit(name: &str, cents: i64) -> Deposit {
    Deposit { account: id(name), cents }
}

pub(crate) fn withdraw(name: &str, cents: i64) -> Withdraw {
    Withdraw { account: id(name), cents }
}

/// A store of each kind, empty: what holds on one must hold on the others. A file is read in other ways than memory.
pub(crate) fn stores() -> [Arc<dyn EventStore>; 3] {
    let sqlite = SqliteStore::in_memory().expect("SQLite opens in memory");
    [Arc::new(MemoryStore::new()), Arc::new(sqlite), Arc::new(OnFile::new())]
}

/// A store in a file, which goes with it.
struct OnFile {
    store: SqliteStore,
    _folder: tempfile::TempDir,
}

impl OnFile {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // Not durable: these tests are about other things, and there are many.
        let options = SqliteOptions::new().durability(Durability::Normal);
        let store = options.open(folder.path().join("events.db")).expect("SQLite opens a file");
        Self { store, _folder: folder }
    }
}

impl EventStore for OnFile {
    fn append(&self, appends: &[Append<'_>]) -> Result<Appended, AppendError> {
        self.store.append(appends)
    }

    fn read_stream(
        &self,
        stream: &StreamId,
        after: u64,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.store.read_stream(stream, after, limit, visit)
    }

    fn read_all(
        &self,
        filter: Filter<'_>,
        after: u64,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.store.read_all(filter, after, limit, visit)
    }

    fn stream_version(&self, stream: &StreamId) -> Result<u64, StoreError> {
        self.store.stream_version(stream)
    }

    fn position(&self) -> Result<u64, StoreError> {
        self.store.position()
    }

    fn wait_for(&self, position: u64, timeout: Duration) -> Result<u64, StoreError> {
        self.store.wait_for(position, timeout)
    }

    fn replay(
        &self,
        stream: &StreamId,
        after: u64,
        limit: usize,
        visit: &mut VisitReplayed<'_>,
    ) -> Result<(), StoreError> {
        self.store.replay(stream, after, limit, visit)
    }

    fn outcome(&self, stream: &StreamId, key: &str) -> Result<Option<Outcome>, StoreError> {
        self.store.outcome(stream, key)
    }

    fn forget_keys(&self, time: Timestamp) -> Result<u64, StoreError> {
        self.store.forget_keys(time)
    }

    fn read_snapshot(&self, stream: &StreamId, visit: &mut VisitSnapshot<'_>) -> Result<(), StoreError> {
        self.store.read_snapshot(stream, visit)
    }

    fn save_snapshot(&self, stream: &StreamId, snapshot: &StoredSnapshot<'_>) -> Result<(), StoreError> {
        self.store.save_snapshot(stream, snapshot)
    }

    fn drop_snapshots(&self, category: Option<&str>) -> Result<u64, StoreError> {
        self.store.drop_snapshots(category)
    }
}

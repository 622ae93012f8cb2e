//! Views for tests, and their content.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use factum::follow::{Activity, Follower, LeaseInfo, RunningFollower};
use factum::prelude::*;
use factum::sqlite::rusqlite::Transaction;

use crate::support::account::{Account, Deposited, Opened, Withdrawn};

/// Faults that all clones of a view show, and a record of their calls.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// How many more deposits of 13 fail.
    pub(crate) refused: AtomicU32,
    /// Whether these deposits fail by a panic.
    pub(crate) panics: AtomicBool,
    /// Whether an event fails that is not the next one of its stream.
    pub(crate) in_order: AtomicBool,
    /// How many events the handlers have received.
    pub(crate) taken: AtomicU64,
    /// The threads that called the handlers.
    pub(crate) threads: Mutex<HashSet<ThreadId>>,
}

impl Faults {
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::SeqCst)
    }
}

/// The balance of each account, and the number of its events: an event that is missed or counted twice shows.
#[derive(Debug, Default, Clone, Projection)]
#[projection(
    events(Opened, Deposited, Withdrawn),
    from(Account),
    into = Sqlite,
    partition_by = stream,
    init = "CREATE TABLE balances (account TEXT PRIMARY KEY, cents INTEGER NOT NULL, events INTEGER NOT NULL)",
)]
pub(crate) struct Balances {
    pub(crate) faults: Arc<Faults>,
}

#[handlers]
impl Balances {
    #[project]
    fn opened(
        &self,
        _: &Opened,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        self.add(transaction, envelope, 0)
    }

    #[project]
    fn deposited(
        &self,
        event: &Deposited,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        self.add(transaction, envelope, event.cents)?;
        let take = |left: u32| left.checked_sub(1);
        if event.cents == 13
            && self.faults.refused.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok()
        {
            assert!(!self.faults.panics.load(Ordering::SeqCst), "13 in a panic");
            return Err("13 is refused".into());
        }
        Ok(())
    }

    #[project]
    fn withdrawn(
        &self,
        event: &Withdrawn,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        self.add(transaction, envelope, -event.cents)
    }

    fn add(
        &self,
        transaction: &Transaction<'_>,
        envelope: &Envelope<'_>,
        cents: i64,
    ) -> Result<(), BoxError> {
        self.faults.threads.lock().unwrap().insert(thread::current().id());
        self.faults.taken.fetch_add(1, Ordering::SeqCst);
        let events: u64 = transaction
            .prepare_cached(
                "INSERT INTO balances VALUES (?1, ?2, 1)
                 ON CONFLICT DO UPDATE SET cents = cents + excluded.cents, events = events + 1
                 RETURNING events",
            )?
            .query_row((envelope.key, cents), |row| row.get(0))?;
        if self.faults.in_order.load(Ordering::SeqCst) && events != envelope.version {
            return Err(format!("version {} is not next", envelope.version).into());
        }
        Ok(())
    }
}

impl Balances {
    /// A view that fails at an event that is not the next one of its stream.
    pub(crate) fn in_order() -> Self {
        Self { faults: Arc::new(Faults { in_order: true.into(), ..Faults::default() }) }
    }

    /// The content of the view.
    pub(crate) fn rows(store: &SqliteStore) -> Rows {
        rows(store, "SELECT account, cents, events FROM balances")
    }
}

/// Cents and number of events of each account.
pub(crate) type Rows = BTreeMap<String, (i64, u64)>;

pub(crate) fn row(account: &str, cents: i64, events: u64) -> Rows {
    BTreeMap::from([(account.to_owned(), (cents, events))])
}

/// The rows of a query that selects account, cents and number of events.
pub(crate) fn rows(store: &SqliteStore, sql: &str) -> Rows {
    store
        .query(|connection| {
            connection
                .prepare(sql)?
                .query_map((), |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?
                .collect()
        })
        .unwrap()
}

/// The cents of each account, in a table `balances` of any view.
pub(crate) fn balances(store: &SqliteStore) -> Vec<(String, i64)> {
    store
        .query(|connection| {
            connection
                .prepare("SELECT account, cents FROM balances ORDER BY account")?
                .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
        .unwrap()
}

/// The lease of another runner that this one waits for.
pub(crate) fn awaited_lease<F: Follower>(running: &RunningFollower<F>) -> Option<LeaseInfo> {
    match running.state().activity {
        Activity::WaitingForLease { holder, .. } => Some(holder),
        _ => None,
    }
}

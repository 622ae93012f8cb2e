//! The store in a schema of a PostgreSQL database.

mod all_keys;
mod array;
mod call;
mod changes;
mod commits;
pub(crate) mod hooks;
mod keys;
pub(crate) mod lost;
mod pause;
mod read;
mod readers;
mod requests;
mod rows;
mod scan;
mod snapshots;
mod standby;
mod statements;
mod stream_names;
mod task_reads;
mod thread;
pub(crate) mod transactions;
mod wakeups;
mod writer;

use std::borrow::Cow;
use std::fmt;
use std::mem;
use std::process;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use tokio_postgres::Row;
use tokio_postgres::types::FromSqlOwned;
use uuid::Uuid;

use crate::domain::numbers::keeps_text_of_numbers;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::follow::lease_keeper::LeaseKeeper;
use crate::postgres::server::address::Address;
use crate::postgres::server::error::ConnectError;
use crate::postgres::server::names::{escaped, unescaped};
use crate::postgres::server::options::PostgresOptions;
use crate::postgres::server::session::Value;
use crate::postgres::server::timelines::Timelines;
use crate::store::append::{Append, Appended, Outcome, check_appends};
use crate::store::error::{AppendError, StoreError};
use crate::store::event_store::EventStore;
use crate::store::group_commit::{Answer, Request, Waiter};
use crate::store::identity::{DatabaseIdentity, StoreIdentity};
use crate::store::queue::{Chain, QueueError, Queued, QueuedAppend, TaskAnswer};
use crate::store::read::{Filter, Visit, VisitReplayed};
use crate::store::snapshot::{StoredSnapshot, VisitSnapshot};
use crate::store::stored_key::{StoredKey, VisitKey};
use crate::store::wakers::Wakers;

use self::call::AppendSql;
use self::hooks::Hooks;
use self::keys::KnownKey;
use self::read::AskRows;
use self::readers::{Job, Pending};
use self::statements::{Sql, Statements};
use self::thread::Line;
use self::transactions::{Held, Mode};

/// A store of events in a PostgreSQL database, for several programs on several machines. Clones are handles to it.
///
/// ```no_run
/// use factum::prelude::*;
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
///
/// let store = PostgresStore::connect("postgresql://bank@localhost/bank")?;
/// let accounts = store.repository::<BankAccount>();
/// accounts.execute(DepositMoney { account: AccountId("alice".into()), cents: 500 })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It keeps the laws of all stores, also among programs:
///
/// * Positions count from 1 without a gap, in the order of the commits.
/// * An append that has returned is as durable as [`PostgresOptions::durability`] says; on the server's disk by default.
/// * An append gets the one right answer, also if its connection breaks during the commit. The store waits until the server
///   can no longer commit it, and then looks for its events.
///
/// Appends of all threads and tasks of a program that wait at one time share a commit. A thread of the store's own talks to
/// the server. No call needs a runtime, and none panics in one. Tasks wait for their appends without a thread
/// (feature `tokio`).
///
/// # Followers
///
/// | what the store keeps | for |
/// |---|---|
/// | positions, dead letters, leases | reactions: [`PostgresReaction`](crate::postgres::PostgresReaction) |
/// | also instances, commands to send, time-outs, histories | processes: [`PostgresProcess`](crate::postgres::PostgresProcess) |
/// | also tables, each view's in a schema of its own | views with `into = Sql` or `into = Postgres`: [`PostgresProjection`](crate::postgres::PostgresProjection) |
/// | timers | [`Running::schedule`](crate::application::Running::schedule) |
///
/// What an instance does in a step is one transaction. So are the events of a command, the timers that it sets, and its end in the list of commands to send.
/// Of all programs, one runs a follower. Another one takes over at once if that has no session with the server any more,
/// and otherwise when its lease ends, by the clock of the server.
///
/// Views in memory and in SQLite files follow the store as any other. The user of the URL must be allowed to make schemas for views.
///
/// # What is another matter than in SQLite
///
/// * Events have no checksums of factum's: have the database cluster made with `initdb --data-checksums`.
/// * The id of a process's instance has at most about 2,700 bytes as text. An event for another one stops the process.
/// * A stream's category and key together have at most about 2,700 bytes, or more if PostgreSQL can compress them. An append
///   to another stream fails with [`StoreError::NotStorable`]. So does one whose events contain a NUL outside of the key.
/// * Connections are encrypted with the feature `postgres-tls` only: see [`connect`](Self::connect).
///
/// # Errors of the server
///
/// | what happens | what calls get |
/// |---|---|
/// | the connection breaks, or the server stops or changes | an answer after the server is back, or [`StoreError::Unreachable`] after [`PostgresOptions::outage_timeout`] |
/// | the server does not say in that time whether it has committed | [`StoreError::CommitUnknown`] |
/// | other appends, or a statement, take too long | [`StoreError::Busy`] |
/// | no host accepts writes, as while a standby is not promoted | [`StoreError::ReadOnly`] after the same time |
/// | the disk is full | [`StoreError::Full`] |
/// | a pooler gives each transaction another session | [`StoreError::Pooled`] |
/// | the server has another store than before | [`StoreError::OtherStore`] |
/// | the server can't encrypt, or has a certificate that the URL does not trust | [`StoreError::Untrusted`] |
///
/// [`guide::cluster`](crate::guide::cluster) says how a cluster of servers survives the loss of one.
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

/// What the handles of a store share.
pub(crate) struct Shared {
    statements: Statements,
    line: Line,
    names: Arc<stream_names::StreamNames>,
    id: Uuid,
    /// The number that the program's sessions share a lock on.
    program: i64,
    database: DatabaseIdentity,
    timelines: Arc<Timelines>,
    /// The statements that append, for transactions with hooks.
    append: AppendSql,
    hooks: Hooks,
    outage_timeout: Duration,
    poll_every: Duration,
    /// Renews the leases of this program.
    leases: Arc<LeaseKeeper>,
    /// The process that has the thread of the store.
    process: u32,
}

impl PostgresStore {
    /// Connects to a server, and makes the store's tables in the schema `factum` if there are none.
    ///
    /// The URL is that of libpq, as `postgresql://user:password@host:port/database`. Several hosts are tried in their order,
    /// and the first one that accepts writes is used: `postgresql://bank@db1,db2/bank`. If one is silent, the next one is tried
    /// beside it. A socket's folder is a `host` too: `postgresql://bank@/bank?host=/run/postgresql`.
    ///
    /// # Encryption
    ///
    /// | in the URL | with the feature `postgres-tls` |
    /// |---|---|
    /// | `sslmode=disable` | the connection is not encrypted, nor is that of a socket |
    /// | `sslmode=prefer`, the default | it is encrypted if the server can |
    /// | `sslmode=require` | it is encrypted |
    /// | `sslmode=verify-ca&sslrootcert=path` | the server's certificate comes from one in this file |
    /// | `sslmode=verify-full&sslrootcert=path` | it is also that of the host: what protects against other servers |
    ///
    /// With a `sslrootcert`, the other modes check the certificate as `verify-ca` does. Without the feature, only `disable` and
    /// `prefer` are allowed, and no connection is encrypted.
    ///
    /// Other options are those of [`PostgresOptions`].
    pub fn connect(url: &str) -> Result<Self, ConnectError> {
        PostgresOptions::new().connect(url)
    }

    pub(crate) fn connect_with(options: PostgresOptions, url: &str) -> Result<Self, ConnectError> {
        if keeps_text_of_numbers() {
            return Err(ConnectError::ArbitraryPrecision);
        }
        let address = Address::new(options, url)?;
        let statements = Statements::new(&address.schema);
        let (append, outage_timeout) = (AppendSql::new(&address.schema), address.options.outage_timeout);
        let (program, poll_every) = (address.program, address.options.poll_every);
        let (database, timelines) = (address.database(), Arc::clone(&address.timelines));
        let (line, id) = thread::start(address)?;
        let names = Arc::clone(&line.names);
        let leases = Arc::default();
        let shared = Shared {
            statements,
            line,
            names,
            id,
            program,
            database,
            timelines,
            append,
            hooks: Hooks::default(),
            outage_timeout,
            poll_every,
            leases,
            process: process::id(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Begins a transaction in a session of its own.
    pub(crate) fn hold_session(&self, mode: Mode) -> Result<Held, StoreError> {
        self.shared.check_process()?;
        self.shared.line.begin(mode)
    }

    /// The rows of a statement that does no harm if it is carried out twice.
    pub(crate) fn ask(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.shared.ask(&Sql::of_primary(sql), values)?.wait()
    }

    /// The wakers of the timers' runner.
    pub(crate) fn timer_wakers(&self) -> &Wakers {
        &self.shared.line.wakeups.timers
    }

    /// Reads all events that a transaction sees, with rows that `asks` asks it for.
    pub(crate) fn read_all_in(
        &self,
        asks: &AskRows<'_>,
        filter: &Filter<'_>,
        after: Position,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.shared.read_all_in(asks, filter, after, visit)
    }

    /// The statement with the name of the store's schema for `{schema}`.
    pub(crate) fn own_sql(&self, sql: &str) -> String {
        sql.replace("{schema}", self.shared.statements.schema())
    }

    /// The name of the store's schema.
    pub(crate) fn schema_name(&self) -> &str {
        self.shared.statements.schema().trim_matches('"')
    }

    /// The number that the program's sessions share a lock on.
    pub(crate) fn program(&self) -> i64 {
        self.shared.program
    }

    pub(crate) fn keeper_of_leases(&self) -> &Arc<LeaseKeeper> {
        &self.shared.leases
    }

    /// Checks an append; `None` if there is nothing to do.
    fn join(&self, request: Request<'_>) -> Result<Option<Arc<Waiter>>, AppendError> {
        check_appends(request.appends)?;
        let [first, ..] = request.appends else { return Ok(None) };
        self.shared.check_process().map_err(|error| AppendError::store(first.stream, error))?;
        if self.hooks().are_run_by_caller() {
            return Err(AppendError::store(first.stream, StoreError::Reentrant));
        }
        Ok(Some(self.shared.line.commits.join(request)))
    }
}

impl Shared {
    /// In a forked process, the thread is missing.
    fn check_process(&self) -> Result<(), StoreError> {
        let used_by = process::id();
        if used_by == self.process {
            Ok(())
        } else {
            Err(StoreError::Forked { opened_by: self.process, used_by })
        }
    }

    /// Sends a statement that does no harm if it is carried out twice.
    fn ask(&self, sql: &Sql, values: Vec<Value>) -> Result<Pending, StoreError> {
        self.check_process()?;
        let (job, rows) = Job::new(sql, values, self.line.needed(sql));
        self.line.send(job);
        Ok(rows)
    }

    /// The first column of the first row; `None` if there is no row.
    fn first<T: FromSqlOwned>(&self, sql: &Sql, values: Vec<Value>) -> Result<Option<T>, StoreError> {
        let rows = self.ask(sql, values)?.wait()?;
        rows.first().map(|row| row.try_get(0)).transpose().map_err(unreadable)
    }

    fn position(&self) -> Result<Position, StoreError> {
        let position = of_counter(self.first(&self.statements.position, Vec::new())?)?;
        self.line.wakeups.known.raise(position.get());
        Ok(position)
    }
}

impl EventStore for PostgresStore {
    fn append(&self, appends: &[Append<'_>]) -> Result<Appended, AppendError> {
        let Some(waiter) = self.join(Request { appends, chains: &[] })? else {
            return Ok(Appended::new(None, Vec::new()));
        };
        match waiter.wait_behind() {
            Ok(appended) => Ok(appended),
            Err(QueueError::Append(error)) => Err(error),
            Err(QueueError::Void) => unreachable!("an append without chains is not void"),
        }
    }

    fn queue<'a>(&'a self, appends: &'a [Append<'a>], chains: &'a [Chain]) -> Option<QueuedAppend<'a>> {
        Some(match self.join(Request { appends, chains }) {
            Ok(Some(waiter)) => QueuedAppend::new(QueuedRequest(waiter)),
            Ok(None) => QueuedAppend::new(|| Ok(Appended::new(None, Vec::new()))),
            Err(error) => {
                chains.iter().for_each(Chain::fail);
                QueuedAppend::new(|| Err(error.into()))
            }
        })
    }

    fn read_stream(
        &self,
        stream: &StreamName,
        after: u64,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.shared.read_stream(stream, after, limit, visit)
    }

    fn replay(
        &self,
        stream: &StreamName,
        after: u64,
        limit: usize,
        visit: &mut VisitReplayed<'_>,
    ) -> Result<Option<Uuid>, StoreError> {
        self.shared.replay(stream, after, limit, visit)
    }

    fn read_all(
        &self,
        filter: Filter<'_>,
        after: Position,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.shared.read_all(filter, after, limit, visit)
    }

    fn stream_version(&self, stream: &StreamName) -> Result<u64, StoreError> {
        let version =
            self.shared.first::<i64>(&self.shared.statements.stream_version, name_values(stream))?;
        Ok(version.unwrap_or(0).unsigned_abs())
    }

    fn position(&self) -> Result<Position, StoreError> {
        self.shared.position()
    }

    fn next_position(&self, after: Position) -> Result<Option<Position>, StoreError> {
        let values: Vec<Value> = vec![Box::new(signed(after.get()))];
        Ok(self.shared.first(&self.shared.statements.next_position, values)?.map(unsigned))
    }

    fn event_id(&self, position: Position) -> Result<Option<Uuid>, StoreError> {
        self.shared.first(&self.shared.statements.event_id, vec![Box::new(signed(position.get()))])
    }

    fn takeovers(&self) -> u64 {
        self.shared.timelines.takeovers()
    }

    fn wait_for(&self, position: Position, timeout: Duration) -> Result<Position, StoreError> {
        let started = Instant::now();
        let newest = self.position()?;
        if newest >= position || timeout.is_zero() {
            return Ok(newest);
        }
        let wakeups = &self.shared.line.wakeups;
        let waiting = wakeups.enter();
        loop {
            // The count reveals an append that comes after the read of the position and before the sleep.
            let seen = wakeups.count();
            let newest = self.position()?;
            let left = timeout.saturating_sub(started.elapsed());
            if newest >= position || left.is_zero() {
                return Ok(newest);
            }
            waiting.sleep(seen, left.min(self.shared.poll_every));
        }
    }

    fn watch(&self, waker: &Waker) -> Result<bool, StoreError> {
        self.shared.check_process()?;
        self.shared.line.wakeups.add(waker);
        Ok(true)
    }

    fn unwatch(&self, waker: &Waker) {
        if self.shared.check_process().is_ok() {
            self.shared.line.wakeups.remove(waker);
        }
    }

    fn foreign_changes(&self, stream: &StreamName) -> u64 {
        self.shared.line.wakeups.changes.count(stream)
    }

    fn categories(&self) -> Result<Vec<String>, StoreError> {
        let rows = self.shared.ask(&self.shared.statements.categories, Vec::new())?.wait()?;
        let category = |row: &Row| {
            let category = row.try_get::<_, String>(0).map_err(unreadable)?;
            Ok(unescaped(&category).map_or_else(|| category.clone(), Cow::into_owned))
        };
        rows.iter().map(category).collect()
    }

    // Its methods have the names of this trait's.
    fn task_reads(&self) -> Option<&dyn crate::store::task_reads::TaskReads> {
        Some(&self.shared)
    }

    fn identity(&self) -> Option<StoreIdentity> {
        Some(StoreIdentity::of(&self.shared))
    }

    fn database(&self) -> Option<DatabaseIdentity> {
        Some(self.shared.database)
    }

    fn store_id(&self) -> Result<Option<Uuid>, StoreError> {
        Ok(Some(self.shared.id))
    }

    fn outcome(&self, stream: &StreamName, key: &str) -> Result<Option<Outcome>, StoreError> {
        let mut values = name_values(stream);
        values.push(Box::new(escaped(key).into_owned()));
        let rows = self.shared.ask(&self.shared.statements.outcome, values)?.wait()?;
        KnownKey::outcome_of(&rows, stream, key)
    }

    fn forget_keys_before(&self, time: Timestamp) -> Result<u64, StoreError> {
        let forgotten = self
            .shared
            .first::<i64>(&self.shared.statements.forget_keys, vec![Box::new(time.as_micros())])?;
        Ok(forgotten.unwrap_or(0).unsigned_abs())
    }

    fn read_keys(&self, visit: &mut VisitKey<'_>) -> Result<(), StoreError> {
        self.shared.read_keys(visit)
    }

    fn import_keys(&self, keys: &[StoredKey<'_>]) -> Result<(), AppendError> {
        self.shared.import_keys(keys)
    }

    fn read_snapshot(&self, stream: &StreamName, visit: &mut VisitSnapshot<'_>) -> Result<(), StoreError> {
        self.shared.read_snapshot(stream, visit)
    }

    /// Stores the snapshot without a wait for the disk.
    fn save_snapshot(&self, stream: &StreamName, snapshot: &StoredSnapshot<'_>) -> Result<(), StoreError> {
        self.shared.save_snapshot(stream, snapshot)
    }

    fn drop_snapshots(&self, category: Option<&str>) -> Result<u64, StoreError> {
        let category = category.map(|category| escaped(category).into_owned());
        let dropped =
            self.shared.first::<i64>(&self.shared.statements.drop_snapshots, vec![Box::new(category)])?;
        Ok(dropped.unwrap_or(0).unsigned_abs())
    }
}

/// An append that waits for the thread that commits.
struct QueuedRequest(Arc<Waiter>);

impl Queued for QueuedRequest {
    fn wait(self: Box<Self>) -> Answer {
        self.0.wait_behind()
    }

    fn wait_as_task(self: Box<Self>) -> TaskAnswer {
        match self.0.wait_behind_as_task() {
            Ok(answer) => TaskAnswer::Ready(answer),
            Err(later) => TaskAnswer::Later(Box::pin(later)),
        }
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("id", &self.shared.id).finish_non_exhaustive()
    }
}

/// In a forked process, the sockets belong to the process that opened them, and a lock may be held without end.
impl Drop for PostgresStore {
    fn drop(&mut self) {
        if self.shared.check_process().is_err() {
            mem::forget(Arc::clone(&self.shared));
        }
    }
}

/// Category and key, as they are stored.
fn name_values(stream: &StreamName) -> Vec<Value> {
    vec![Box::new(escaped(stream.category()).into_owned()), Box::new(escaped(stream.key()).into_owned())]
}

/// A version, a position or a number of rows for the server, which counts with a sign.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A position as the server counts it.
fn unsigned(position: i64) -> Position {
    Position::new(position.unsigned_abs())
}

/// The position in the counter's row.
fn of_counter(position: Option<i64>) -> Result<Position, StoreError> {
    position
        .map(unsigned)
        .ok_or_else(|| StoreError::Damaged { message: "the row of the counter is missing".to_owned() })
}

pub(crate) fn unreadable(error: tokio_postgres::Error) -> StoreError {
    StoreError::Other(error.into())
}

//! How a store in PostgreSQL is reached, and how long its calls may take.

use std::time::Duration;

use crate::postgres::server::error::ConnectError;
use crate::postgres::store::PostgresStore;

/// Which failures an append survives after it has returned: the level of `synchronous_commit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// The end of the program. A crash of the server may take the newest commits as a whole; the store stays consistent.
    Off,
    /// A crash of the server: the commit is on its disk. A standby may not have it.
    Local,
    /// As [`On`](Self::On), but a synchronous standby need not have its copy on the disk.
    RemoteWrite,
    /// A crash of the server and, with synchronous standbys, the loss of the server.
    On,
    /// As [`On`](Self::On), and readers of a synchronous standby see the events.
    RemoteApply,
}

impl Durability {
    pub(crate) const fn setting(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Local => "local",
            Self::RemoteWrite => "remote_write",
            Self::On => "on",
            Self::RemoteApply => "remote_apply",
        }
    }
}

/// How a [`PostgresStore`] is reached.
///
/// ```no_run
/// use std::time::Duration;
/// use factum::postgres::PostgresOptions;
///
/// let store = PostgresOptions::new()
///     .schema("bank")
///     .outage_timeout(Duration::from_secs(60))
///     .connect("postgresql://bank@db1,db2/bank?target_session_attrs=read-write")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "options do nothing by themselves: call `.connect(url)`"]
pub struct PostgresOptions {
    pub(crate) schema: String,
    pub(crate) durability: Option<Durability>,
    pub(crate) connect_timeout: Duration,
    pub(crate) statement_timeout: Duration,
    pub(crate) lock_timeout: Duration,
    pub(crate) outage_timeout: Duration,
    pub(crate) poll_every: Duration,
    pub(crate) readers: usize,
    pub(crate) transactions: usize,
    pub(crate) read_from_standbys: bool,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            schema: "factum".to_owned(),
            durability: None,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
            outage_timeout: Duration::from_secs(30),
            poll_every: Duration::from_secs(1),
            readers: 3,
            transactions: 4,
            read_from_standbys: false,
        }
    }
}

impl PostgresOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The schema that has the store's tables; `factum` by default. One database can have several stores.
    ///
    /// The name is one of ASCII letters, digits and `_`, and does not begin with a digit.
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// Which failures an append survives after it has returned.
    ///
    /// The default is [`Durability::On`], or the server's own setting if that is [`Durability::RemoteApply`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// How long one attempt to connect to one host may take; 5 seconds by default. A `connect_timeout` in the URL goes
    /// before it.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long the server may work on one statement; 30 seconds by default. Then the call fails with
    /// [`StoreError::Busy`](crate::store::StoreError::Busy).
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// How long an append may wait for the appends of other programs; 10 seconds by default. Then it fails with
    /// [`StoreError::Busy`](crate::store::StoreError::Busy).
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// How long a call waits for a server that does not answer, as in a failover; 30 seconds by default.
    ///
    /// Then a call fails with [`StoreError::Unreachable`](crate::store::StoreError::Unreachable). An append whose outcome
    /// is not known fails with [`StoreError::CommitUnknown`](crate::store::StoreError::CommitUnknown). The most is a year.
    pub fn outage_timeout(mut self, timeout: Duration) -> Self {
        // The sum of a point in time and a longer one may be none.
        self.outage_timeout = timeout.min(Duration::from_hours(365 * 24));
        self
    }

    /// How often the store looks for events of other programs while readers wait for some; a second by default.
    ///
    /// A notification of the server is faster in most cases. This is for the case that one is lost.
    pub fn poll_every(mut self, interval: Duration) -> Self {
        self.poll_every = interval;
        self
    }

    /// The number of connections for reading, at least one; 3 by default. There are two more, one for appends and one for
    /// notifications, and those of [`transactions`](Self::transactions).
    pub fn readers(mut self, connections: usize) -> Self {
        self.readers = connections.max(1);
        self
    }

    /// How many transactions of followers and of [`PostgresStore::begin`] go on at a time, at least one; 4 by default. Each
    /// has a connection, which is made when it is needed. More transactions wait, as long as for a lock.
    pub fn transactions(mut self, connections: usize) -> Self {
        self.transactions = connections.max(1);
        self
    }

    /// Whether reads may go to a standby among the hosts of the URL; `false` by default.
    ///
    /// A read goes there if the standby has all events that callers of this store know of: those that they have appended, read, or
    /// [waited for](crate::store::EventStore::wait_for). Otherwise, after a short wait, and without a standby, it goes to the
    /// server that accepts writes. So a program reads its own writes. It may see events of other programs later, and its commands may
    /// conflict more often. A retry reads what the command has conflicted with.
    pub fn read_from_standbys(mut self, reads: bool) -> Self {
        self.read_from_standbys = reads;
        self
    }

    /// Connects to the server, and makes the store's tables if there are none.
    ///
    /// See [`PostgresStore::connect`] for the URL.
    pub fn connect(self, url: &str) -> Result<PostgresStore, ConnectError> {
        PostgresStore::connect_with(self, url)
    }
}

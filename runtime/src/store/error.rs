//! Why a store failed, or stored nothing of an append.

use std::path::PathBuf;

use uuid::Uuid;

use crate::domain::error::{BoxError, with_causes};
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::store::append::{ExpectedVersion, Outcome};

/// The store itself failed: the disk, the file, the database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store can only be read: it was opened so, or its file is write-protected.
    #[error("the store can only be read")]
    ReadOnly,
    /// There is no space left.
    #[error("the disk or the store is full")]
    Full,
    /// Another writer held the store for longer than the configured time to wait.
    #[error("the store was held by another writer for too long")]
    Busy,
    /// A handler or query that holds the store used the store again.
    #[error("the store can't be used again by a handler or query that holds it")]
    Reentrant,
    /// The store was opened by another process, of which this one is a fork. Nothing was read or written.
    ///
    /// Open the store after the fork, in the process that uses it. In a process that has inherited an open store,
    /// SQLite still has the other process's locks, so that opening the file once more does not help.
    #[error(
        "the store was opened by process {opened_by}, of which process {used_by} is a fork: \
         fork before the store is opened, or start another program"
    )]
    #[non_exhaustive]
    Forked {
        /// The process that opened the store.
        opened_by: u32,
        /// This process.
        used_by: u32,
    },
    /// The store's file, or its write-ahead log, was deleted, moved, replaced or emptied while the store was open.
    ///
    /// The store does nothing more, whatever is at its path later. The append that gets this error is not in
    /// a file at this path; it may be in the file that was moved. Open the store again.
    #[error("{} was deleted, moved, replaced or emptied while the store was open; open the store again", path.display())]
    #[non_exhaustive]
    Moved {
        /// The path at which the store was opened.
        path: PathBuf,
    },
    /// The store's file is damaged.
    #[error("the store is damaged: {message}")]
    #[non_exhaustive]
    Damaged {
        /// The database's own message.
        message: String,
    },
    /// A column of a stored event has a value that factum never writes.
    #[error("the event at position {position} is damaged: {column} {problem}")]
    #[non_exhaustive]
    DamagedEvent {
        /// The event's position, as far as it can be read.
        position: i64,
        /// The column.
        column: &'static str,
        /// What is wrong with the column.
        problem: String,
    },
    /// A reader has seen another event at a position than the store has now.
    #[error(
        "the store has another event at position {position} than the reader has seen: the events were replaced. \
         Begin again after a position of which the events are known"
    )]
    #[non_exhaustive]
    OtherEvents {
        /// The position after which the reader would continue.
        position: Position,
    },
    /// A reader is to begin after a position that the store has not reached.
    #[error("the store ends at position {newest}: nothing can begin after position {position}")]
    #[non_exhaustive]
    PastTheEnd {
        /// The position that the caller asks for.
        position: Position,
        /// The position of the newest event.
        newest: Position,
    },
    /// What is stored with an idempotency key can't be true. Whether its command was executed is not known.
    #[error("the idempotency key `{key}` of {stream} is damaged: {problem}")]
    #[non_exhaustive]
    DamagedKey {
        /// The stream.
        stream: StreamName,
        /// The key.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// The server can't be reached, or does not answer. Nothing of an append is stored.
    #[error("the server of the store can't be reached, or does not answer")]
    Unreachable(#[source] BoxError),
    /// The connection with the server can't be encrypted as was asked for: the server can't, or its certificate is not one that the
    /// URL trusts. Nothing of an append is stored.
    #[error("the connection with the server is not as secure as the URL of the store asks for")]
    Untrusted(#[source] BoxError),
    /// The server has another store than when this one was opened: the schema was made again, or the URL leads elsewhere now.
    ///
    /// Open the store again.
    #[error("the server now has another store, {found}, in place of {opened}; open the store again")]
    #[non_exhaustive]
    OtherStore {
        /// The id of the store that was opened.
        opened: Uuid,
        /// The id of the store that the server has.
        found: Uuid,
    },
    /// Each transaction gets another session of the server, as behind a pooler that shares sessions by transaction.
    ///
    /// The store needs sessions of its own: a lock that lasts as long as its session tells whether a commit whose answer is
    /// lost can still happen.
    #[error(
        "the connection goes through a pooler that gives each transaction another session: connect to the server itself, \
         or let the pooler keep a session for each connection"
    )]
    Pooled,
    /// The database can't store a part of the append, such as a text with a NUL, or a very long key.
    #[error("the database can't store a part of the append: {problem}")]
    #[non_exhaustive]
    NotStorable {
        /// The database's own message.
        problem: String,
    },
    /// The disk or the connection failed while an append was committed, and it is not known whether the events are stored.
    ///
    /// In a file, the program does not see them now. But the log may have them, and they may appear when the store is
    /// opened again after a crash. The next append that succeeds settles that they do not. In a server, they may be there,
    /// or appear as long as the server works on the commit.
    ///
    /// Send the command again with its [idempotency key](crate::ExecuteOptions::idempotency_key), which makes it
    /// happen once in both cases. Without a key, read the stream before the next try.
    #[error(
        "the disk or the connection failed during the commit, and the events may be stored: send the command again with its \
         idempotency key, or read the stream before the next try"
    )]
    CommitUnknown(#[source] BoxError),
    /// The store has no such operation.
    #[error("the store can't {what}")]
    #[non_exhaustive]
    Unsupported {
        /// What it was asked to do.
        what: &'static str,
    },
    /// Any other error of the database.
    #[error("the store failed")]
    Other(#[source] BoxError),
}

/// The error of a read during which another server has taken over: what was read may be lost with the earlier one.
pub(crate) fn taken_over() -> StoreError {
    StoreError::Unreachable("another server has taken over, which may lack what was read".into())
}

impl StoreError {
    /// A copy for another caller that has to get the error. Sources become their texts.
    pub(crate) fn duplicate(&self) -> Self {
        let text = |source: &BoxError| BoxError::from(with_causes(&**source));
        match self {
            Self::ReadOnly => Self::ReadOnly,
            Self::Full => Self::Full,
            Self::Busy => Self::Busy,
            Self::Reentrant => Self::Reentrant,
            &Self::Forked { opened_by, used_by } => Self::Forked { opened_by, used_by },
            Self::Moved { path } => Self::Moved { path: path.clone() },
            Self::Damaged { message } => Self::Damaged { message: message.clone() },
            &Self::DamagedEvent { position, column, ref problem } => {
                Self::DamagedEvent { position, column, problem: problem.clone() }
            }
            Self::DamagedKey { stream, key, problem } => {
                Self::DamagedKey { stream: stream.clone(), key: key.clone(), problem: problem.clone() }
            }
            &Self::OtherEvents { position } => Self::OtherEvents { position },
            &Self::PastTheEnd { position, newest } => Self::PastTheEnd { position, newest },
            Self::Unreachable(source) => Self::Unreachable(text(source)),
            Self::Untrusted(source) => Self::Untrusted(text(source)),
            &Self::OtherStore { opened, found } => Self::OtherStore { opened, found },
            Self::Pooled => Self::Pooled,
            Self::NotStorable { problem } => Self::NotStorable { problem: problem.clone() },
            Self::CommitUnknown(source) => Self::CommitUnknown(text(source)),
            &Self::Unsupported { what } => Self::Unsupported { what },
            Self::Other(source) => Self::Other(text(source)),
        }
    }
}

/// A stream is not at the expected version: another writer was faster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("conflict in {stream}: expected {expected}, found version {actual}")]
#[non_exhaustive]
pub struct Conflict {
    /// The stream.
    pub stream: StreamName,
    /// The version that the append expected.
    pub expected: ExpectedVersion,
    /// The version of the stream; 0 if it has no events.
    pub actual: u64,
}

impl Conflict {
    /// The conflict in `stream`, which is at version `actual`.
    #[must_use]
    pub fn new(stream: StreamName, expected: ExpectedVersion, actual: u64) -> Self {
        Self { stream, expected, actual }
    }
}

/// An idempotency key came with another command than the first time.
///
/// Send the command with a key of its own. If it is the first one after all, under a new name, see the outcome
/// of the first one in the stream at `version`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the idempotency key `{key}` of {stream} belongs to another command: to a `{first}` of {recorded_at}, \
     after which the stream was at version {version}; give each command a key of its own"
)]
#[non_exhaustive]
pub struct KeyReused {
    /// The stream.
    pub stream: StreamName,
    /// The key.
    pub key: String,
    /// The name of the first command with the key.
    pub first: String,
    /// The version of the stream after the first command.
    pub version: u64,
    /// When the first command was executed.
    pub recorded_at: Timestamp,
}

impl KeyReused {
    /// The error for a key of `stream` whose first command had this name, and led to this version at this time.
    #[must_use]
    pub fn new(
        stream: StreamName,
        key: impl Into<String>,
        first: impl Into<String>,
        version: u64,
        recorded_at: Timestamp,
    ) -> Self {
        Self { stream, key: key.into(), first: first.into(), version, recorded_at }
    }
}

/// Why [`EventStore::append`](crate::store::EventStore::append) stored nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// A stream is not at the expected version.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The stream knows the idempotency key: the command was executed before.
    #[error("{stream} knows the idempotency key `{key}`: its outcome is version {}", outcome.version)]
    #[non_exhaustive]
    KnownKey {
        /// The stream.
        stream: StreamName,
        /// The key.
        key: String,
        /// What the first command with the key led to.
        outcome: Box<Outcome>,
    },
    /// The stream knows the idempotency key, of another command.
    ///
    /// A store does not return this error: the repository compares the commands.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    /// The command of a process no longer waits to be sent: another program has dealt with it.
    #[error("the command for {stream} no longer waits to be sent: another program has dealt with it")]
    #[non_exhaustive]
    NotWaiting {
        /// The stream.
        stream: StreamName,
    },
    /// An append has an idempotency key twice, or the key names events that are not in the append.
    #[error("the idempotency key `{key}` for {stream} is given twice, or names events outside its append")]
    #[non_exhaustive]
    MalformedKey {
        /// The stream.
        stream: StreamName,
        /// The key.
        key: String,
    },
    /// One append names a stream twice.
    #[error("{stream} is named twice in one append")]
    #[non_exhaustive]
    StreamTwice {
        /// The stream.
        stream: StreamName,
    },
    /// A hook failed: code that runs in every append, such as an inline projection.
    #[error("can't append to {stream}: a hook that runs in each append failed")]
    #[non_exhaustive]
    Hook {
        /// The stream, or the first of several.
        stream: StreamName,
        /// The hook's own error; of an inline projection, a [`FollowError`](crate::follow::FollowError).
        source: BoxError,
    },
    /// The store failed.
    #[error("can't append to {stream}")]
    #[non_exhaustive]
    Store {
        /// The stream, or the first of several.
        stream: StreamName,
        /// The store's own error.
        source: StoreError,
    },
}

impl AppendError {
    /// The error of a store that failed while it appended to `stream`.
    #[must_use]
    pub fn store(stream: &StreamName, source: StoreError) -> Self {
        Self::Store { stream: stream.clone(), source }
    }
}

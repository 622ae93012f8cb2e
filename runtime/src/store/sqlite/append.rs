//! Writing: the appends of several callers, one transaction, an answer for each.

use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::failure::{same_again, store_error};
use super::snapshots::PendingSnapshot;
use crate::error::{AppendError, Conflict, StoreError};
use crate::id::StreamId;
use crate::projection::{Inline, ProjectionError};
use crate::store::{Append, Appended, NewEvent, NewKey, Outcome};

/// What one caller wants to append: all of it, or nothing.
pub(super) type Request<'a> = &'a [Append<'a>];

/// Stores each of `requests`, or nothing of it, and `snapshots` as far as that goes; gives an answer for each request, in
/// order. What is stored has been projected by each of `inline`.
///
/// What can be wrong with a request is looked for before anything of it is written, so one that is refused leaves the
/// others alone. If SQLite itself refuses something, or a projection does, all is undone, and each request is tried by
/// itself.
pub(super) fn commit(
    connection: &Connection,
    requests: &[Request<'_>],
    snapshots: &[PendingSnapshot],
    inline: &mut [Box<dyn Inline>],
) -> Vec<Result<Appended, AppendError>> {
    let transaction = match begin(connection) {
        Ok(transaction) => transaction,
        // Whoever holds the file will not let go for the next one either.
        Err(error) => {
            let failed = |request: &Request<'_>| Err(Failure::from(same_again(&error)).of(request));
            return requests.iter().map(failed).collect();
        }
    };
    match together(transaction, requests, snapshots, inline) {
        Ok(answers) => answers,
        Err(failure) => match requests {
            // With snapshots, it may be these that did not fit.
            [request] if snapshots.is_empty() => vec![Err(failure.of(request))],
            requests => requests.iter().map(|request| alone(connection, request, inline)).collect(),
        },
    }
}

fn alone(
    connection: &Connection,
    request: Request<'_>,
    inline: &mut [Box<dyn Inline>],
) -> Result<Appended, AppendError> {
    let result = begin(connection)
        .map_err(Failure::from)
        .and_then(|transaction| together(transaction, &[request], &[], inline));
    match result.map(|mut answers| answers.pop()) {
        Ok(Some(answer)) => answer,
        Ok(None) => unreachable!("one request has one answer"),
        Err(failure) => Err(failure.of(request)),
    }
}

/// Why a transaction was undone.
enum Failure {
    Sqlite(rusqlite::Error),
    Projection(ProjectionError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Failure {
    /// As the answer to the request that was alone in it.
    fn of(self, request: Request<'_>) -> AppendError {
        let [Append { stream, .. }, ..] = request else {
            unreachable!("an append to no stream is answered without a transaction")
        };
        match self {
            Self::Sqlite(error) => AppendError::store(stream, store_error(error)),
            Self::Projection(error) => {
                AppendError::Projection { stream: (*stream).clone(), source: Box::new(error) }
            }
        }
    }
}

/// One transaction. After an error nothing is stored.
fn together(
    transaction: Transaction<'_>,
    requests: &[Request<'_>],
    snapshots: &[PendingSnapshot],
    inline: &mut [Box<dyn Inline>],
) -> Result<Vec<Result<Appended, AppendError>>, Failure> {
    let mut answers = Vec::with_capacity(requests.len());
    let mut stored = false;
    {
        let mut statements = Statements::prepare(&transaction)?;
        for request in requests {
            let answer = statements.append(request)?;
            stored |= answer.is_ok();
            answers.push(answer);
        }
    }
    if stored {
        for projection in inline {
            projection.project(&transaction).map_err(Failure::Projection)?;
        }
    }
    if !snapshots.is_empty() {
        // They must not be the reason why an append fails.
        transaction.execute_batch("SAVEPOINT factum_snapshots")?;
        if snapshots.iter().try_for_each(|snapshot| snapshot.write(&transaction)).is_err() {
            transaction.execute_batch("ROLLBACK TO factum_snapshots")?;
        }
        transaction.execute_batch("RELEASE factum_snapshots")?;
        stored = true;
    }
    if stored {
        transaction.commit()?;
    }
    Ok(answers)
}

/// A write transaction, rolled back if it is not committed. Immediate: one that began as a reader could not become a writer
/// after another process has written.
pub(super) fn begin(connection: &Connection) -> rusqlite::Result<Transaction<'_>> {
    Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
}

/// What an append runs.
struct Statements<'c> {
    connection: &'c Connection,
    find: CachedStatement<'c>,
    register: CachedStatement<'c>,
    insert: CachedStatement<'c>,
}

/// What is known of a stream: its number, if it has one, and its version.
#[derive(Clone, Copy)]
struct Head {
    stream: Option<i64>,
    version: u64,
}

impl<'c> Statements<'c> {
    fn prepare(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            find: connection.prepare_cached(
                "SELECT id, (SELECT max(version) FROM factum_events WHERE stream = factum_streams.id)
                 FROM factum_streams WHERE category = ?1 AND key = ?2",
            )?,
            register: connection
                .prepare_cached("INSERT OR IGNORE INTO factum_streams (category, key) VALUES (?1, ?2)")?,
            insert: connection.prepare_cached(
                "INSERT INTO factum_events
                 (stream, version, name, schema, id, recorded_at, correlation, causation, custom, payload)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?,
        })
    }

    fn append(&mut self, request: Request<'_>) -> rusqlite::Result<Result<Appended, AppendError>> {
        if let [append] = request {
            return self.append_to_one(append);
        }
        let mut heads = Vec::with_capacity(request.len());
        for append in request {
            let head = self.find(append.stream)?;
            if let Some(error) = self.refusal(append, head)? {
                return Ok(Err(error));
            }
            heads.push(head);
        }
        let mut appended = Appended { first_position: 0, versions: Vec::with_capacity(request.len()) };
        for (append, head) in request.iter().zip(heads) {
            let (position, version) = self.write(append, head)?;
            appended.first_position =
                if appended.first_position == 0 { position } else { appended.first_position };
            appended.versions.push(version);
        }
        Ok(Ok(appended))
    }

    fn append_to_one(&mut self, append: &Append<'_>) -> rusqlite::Result<Result<Appended, AppendError>> {
        // A stream that should be new most likely is: making it finds out whether it is.
        let new = append.expected.matches(0) && !append.expected.matches(1) && !append.events.is_empty();
        let head = if new && let Some(stream) = self.register(append.stream)? {
            Head { stream: Some(stream), version: 0 }
        } else {
            let head = self.find(append.stream)?;
            if let Some(error) = self.refusal(append, head)? {
                return Ok(Err(error));
            }
            head
        };
        let (first_position, version) = self.write(append, head)?;
        Ok(Ok(Appended { first_position, versions: vec![version] }))
    }

    /// What speaks against an append to a stream like this.
    fn refusal(&self, append: &Append<'_>, head: Head) -> rusqlite::Result<Option<AppendError>> {
        if let Some(stream) = head.stream {
            for key in append.keys {
                if let Some(outcome) = outcome_in(self.connection, stream, key.key)? {
                    let (stream, key) = (append.stream.clone(), key.key.to_owned());
                    return Ok(Some(AppendError::KnownKey { stream, key, outcome }));
                }
            }
        }
        if append.expected.matches(head.version) {
            Ok(None)
        } else {
            Ok(Some(Conflict::new(append.stream.clone(), append.expected, head.version).into()))
        }
    }

    /// Gives the position of the first event, 0 if there are none, and the stream's version after the last.
    fn write(&mut self, append: &Append<'_>, head: Head) -> rusqlite::Result<(u64, u64)> {
        if append.events.is_empty() && append.keys.is_empty() {
            return Ok((0, head.version));
        }
        let stream = match head.stream {
            Some(stream) => stream,
            None => match self.register(append.stream)? {
                Some(stream) => stream,
                None => return Err(rusqlite::Error::QueryReturnedNoRows),
            },
        };
        let mut version = head.version;
        let mut first_position = 0;
        for event in append.events {
            version += 1;
            self.insert(stream, version, event)?;
            if first_position == 0 {
                first_position = self.connection.last_insert_rowid();
            }
        }
        for key in append.keys {
            insert_key(self.connection, stream, key, head.version)?;
        }
        Ok((first_position.unsigned_abs(), version))
    }

    fn insert(&mut self, stream: i64, version: u64, event: &NewEvent<'_>) -> rusqlite::Result<()> {
        let correlation = event.metadata.correlation;
        let causation = event.metadata.causation;
        let inserted = self.insert.execute(params![
            stream,
            version,
            event.name,
            event.schema,
            event.id.as_bytes(),
            event.recorded_at.as_micros(),
            correlation.as_ref().map(uuid::Uuid::as_bytes),
            causation.as_ref().map(uuid::Uuid::as_bytes),
            event.metadata.custom_json(),
            event.payload,
        ])?;
        one(inserted)
    }

    /// The number of a stream, and its version.
    fn find(&mut self, stream: &StreamId) -> rusqlite::Result<Head> {
        let found = self
            .find
            .query_row((stream.category(), stream.key()), |row| {
                Ok(Head { stream: row.get(0)?, version: row.get::<_, Option<u64>>(1)?.unwrap_or(0) })
            })
            .optional()?;
        Ok(found.unwrap_or(Head { stream: None, version: 0 }))
    }

    /// The number of a stream that had none, and has one now; `None` if it had.
    fn register(&mut self, stream: &StreamId) -> rusqlite::Result<Option<i64>> {
        let made = self.register.execute((stream.category(), stream.key()))?;
        Ok((made > 0).then(|| self.connection.last_insert_rowid()))
    }
}

/// What the command with this key has led to in the stream of this number.
fn outcome_in(connection: &Connection, stream: i64, key: &str) -> rusqlite::Result<Option<Outcome>> {
    connection
        .prepare_cached("SELECT before, version FROM factum_keys WHERE stream = ?1 AND key = ?2")?
        .query_row((stream, key), |row| Ok(Outcome { before: row.get(0)?, version: row.get(1)? }))
        .optional()
}

/// What the command with this key has led to in a stream.
pub(super) fn outcome(
    connection: &Connection,
    stream: &StreamId,
    key: &str,
) -> Result<Option<Outcome>, StoreError> {
    connection
        .prepare_cached(
            "SELECT before, factum_keys.version FROM factum_streams JOIN factum_keys ON stream = id
             WHERE category = ?1 AND factum_streams.key = ?2 AND factum_keys.key = ?3",
        )
        .and_then(|mut select| {
            select
                .query_row((stream.category(), stream.key(), key), |row| {
                    Ok(Outcome { before: row.get(0)?, version: row.get(1)? })
                })
                .optional()
        })
        .map_err(store_error)
}

/// A trigger can have a row left out without an error: then it is not stored, and that must be told.
fn one(inserted: usize) -> rusqlite::Result<()> {
    if inserted == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(inserted)) }
}

fn insert_key(connection: &Connection, stream: i64, key: &NewKey<'_>, before: u64) -> rusqlite::Result<()> {
    let Outcome { before, version } = key.outcome(before);
    connection
        .prepare_cached(
            "INSERT INTO factum_keys (stream, key, before, version, recorded_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![stream, key.key, before, version, key.recorded_at.as_micros()])
        .and_then(one)
}

//! Writes the appends of several callers in one transaction, with a result for each.

use rusqlite::types::ToSql;
use rusqlite::{CachedStatement, Connection, ErrorCode};
use uuid::Uuid;

use crate::domain::error::BoxError;
use crate::domain::panic::discard;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::sqlite::file::errors::{commit_error, duplicate_error, store_error};
use crate::sqlite::file::handler_sql::own_sql;
use crate::sqlite::store::checksum::StreamHash;
use crate::sqlite::store::hooks::{AppendHook, HookLimit};
use crate::sqlite::store::hot_append;
use crate::sqlite::store::remembered::Remembered;
use crate::sqlite::store::snapshots::QueuedSnapshot;
use crate::sqlite::store::timers;
use crate::sqlite::store::writer::Writer;
use crate::sqlite::store::{keys, outbox};
use crate::store::append::{Append, Appended, NewEvent};
use crate::store::error::{AppendError, Conflict, StoreError};
use crate::store::group_commit::{Answer, Request};
use crate::store::queue::QueueError;
use crate::store::written::Written;

/// Answers each request with an error of the store.
pub(super) fn refuse_all(requests: &[Request<'_>], error: impl Fn() -> StoreError) -> Vec<Answer> {
    let refuse = |request: &Request<'_>| Err(AppendError::store(first_stream(request), error()).into());
    requests.iter().map(refuse).collect()
}

/// Replaces the answers of the requests that were stored by an error.
pub(super) fn revoke(requests: &[Request<'_>], answers: Vec<Answer>, error: &StoreError) -> Vec<Answer> {
    let revoked = |(request, answer): (&Request<'_>, Answer)| {
        answer.and_then(|_| Err(AppendError::store(first_stream(request), error.duplicate()).into()))
    };
    requests.iter().zip(answers).map(revoked).collect()
}

/// The stream that an error of the whole request names.
fn first_stream<'a>(request: &Request<'a>) -> &'a StreamName {
    match request.appends {
        [Append { stream, .. }, ..] => stream,
        [] => unreachable!("an append to no stream is answered without a transaction"),
    }
}

/// Stores each of `requests` as a whole or not at all, and `snapshots` if possible. Returns an answer for
/// each request, in order.
///
/// Each of `hooks` runs after the events are written. A request is checked before any of it is written, so
/// one that is rejected does not affect the others, except for those that rest on it. If SQLite or a hook fails,
/// the transaction is rolled back, and each request is tried by itself.
///
/// Returns `None` if nothing is stored because a hook has to catch up with more events of other writers than `limit` allows.
pub(super) fn commit(
    writer: &Writer<'_>,
    requests: &[Request<'_>],
    snapshots: &[QueuedSnapshot],
    hooks: &mut [Box<dyn AppendHook>],
    limit: HookLimit,
    remembered: &mut Remembered,
) -> Option<Vec<Answer>> {
    if let [request] = requests
        && snapshots.is_empty()
        && hooks.is_empty()
        && let Some(answer) = hot_append::store(writer, request, remembered)
    {
        return Some(vec![answer]);
    }
    Some(match commit_whole(writer, requests, snapshots, hooks, limit, remembered) {
        Ok(answers) => answers,
        Err(Failure::Behind) => return None,
        // Each request by itself would fail too: another process holds the file.
        Err(Failure::Begin(error)) => refuse_all(requests, || store_error(duplicate_error(&error))),
        // Another try would say whether that one is stored, not whether this one is.
        Err(Failure::Commit(error))
            if matches!(commit_error(duplicate_error(&error)), StoreError::CommitUnknown(_)) =>
        {
            refuse_all(requests, || commit_error(duplicate_error(&error)))
        }
        Err(failure) => match requests {
            // With snapshots, these may have caused the failure.
            [request] if snapshots.is_empty() => vec![Err(failure.of(request).into())],
            requests => {
                // A hook's error is the user's: its destructor must not end the commit of the other requests.
                discard(failure);
                let mut answers = Vec::with_capacity(requests.len());
                for request in requests {
                    match commit_one(writer, *request, hooks, limit, remembered) {
                        Err(Failure::Behind) if answers.is_empty() => return None,
                        answer => answers.push(answer.unwrap_or_else(|failure| {
                            request.fail();
                            Err(failure.of(request).into())
                        })),
                    }
                }
                answers
            }
        },
    })
}

fn commit_one(
    writer: &Writer<'_>,
    request: Request<'_>,
    hooks: &mut [Box<dyn AppendHook>],
    limit: HookLimit,
    remembered: &mut Remembered,
) -> Result<Answer, Failure> {
    match commit_whole(writer, &[request], &[], hooks, limit, remembered)?.pop() {
        Some(answer) => Ok(answer),
        None => unreachable!("one request has one answer"),
    }
}

/// Stores all requests in one transaction, and tries again if the store has remembered something that is wrong.
fn commit_whole(
    writer: &Writer<'_>,
    requests: &[Request<'_>],
    snapshots: &[QueuedSnapshot],
    hooks: &mut [Box<dyn AppendHook>],
    limit: HookLimit,
    remembered: &mut Remembered,
) -> Result<Vec<Answer>, Failure> {
    let mut once = || {
        if hooks.is_empty() {
            let transaction = writer.begin_cached().map_err(Failure::Begin)?;
            return commit_group(&transaction, requests, snapshots, remembered, |_| Ok(false));
        }
        let transaction = writer.begin().map_err(Failure::Begin)?;
        commit_group(&transaction, requests, snapshots, remembered, |written| {
            hooks.iter_mut().try_fold(false, |has_others, hook| {
                let others = hook.run(&transaction, written, limit).map_err(Failure::Hook)?;
                if others.left > 0 { Err(Failure::Behind) } else { Ok(has_others || others.events > 0) }
            })
        })
    };
    match once() {
        Err(Failure::WronglyRemembered) => once(),
        result => result,
    }
}

/// Why a transaction was rolled back.
enum Failure {
    /// Another process has appended. The next try looks the newest position up.
    WronglyRemembered,
    Begin(rusqlite::Error),
    Sqlite(rusqlite::Error),
    Commit(rusqlite::Error),
    Store(StoreError),
    /// A command no longer waits to be sent.
    NotWaiting,
    Hook(BoxError),
    /// A hook has to catch up with other writers first.
    Behind,
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Failure {
    /// The answer to the only request of the transaction.
    fn of(self, request: &Request<'_>) -> AppendError {
        let stream = first_stream(request);
        match self {
            Self::Begin(error) | Self::Sqlite(error) => AppendError::store(stream, store_error(error)),
            // Other writers keep the file.
            Self::WronglyRemembered | Self::Behind => AppendError::store(stream, StoreError::Busy),
            Self::Commit(error) => AppendError::store(stream, commit_error(error)),
            Self::Store(error) => AppendError::store(stream, error),
            Self::NotWaiting => AppendError::NotWaiting { stream: stream.clone() },
            Self::Hook(source) => AppendError::Hook { stream: stream.clone(), source },
        }
    }
}

/// Stores all requests in the transaction that has begun, and commits it. After an error, it is to be rolled back.
///
/// `run_hooks` returns whether the hooks have caught up with events of other writers.
fn commit_group<'r>(
    transaction: &Connection,
    requests: &[Request<'r>],
    snapshots: &[QueuedSnapshot],
    remembered: &'r mut Remembered,
    run_hooks: impl FnOnce(&Written<'_>) -> Result<bool, Failure>,
) -> Result<Vec<Answer>, Failure> {
    let mut answers = Vec::with_capacity(requests.len());
    let (mut stored, mut has_others) = (false, false);
    let last = {
        let mut statements = Statements::prepare(transaction, remembered)?;
        for request in requests {
            let answer = if request.is_void() {
                Err(QueueError::Void)
            } else {
                statements.append(request.appends, request.last_event())?
            };
            match &answer {
                Ok(_) => stored |= writes(request),
                // The requests after this one may rest on it.
                Err(_) => request.fail(),
            }
            answers.push(answer);
        }
        statements.last
    };
    if stored {
        has_others = run_hooks(&Written { requests, answers: &answers })?;
    }
    if !snapshots.is_empty() {
        // Snapshots must not make an append fail.
        transaction.execute_batch("SAVEPOINT factum_snapshots")?;
        if snapshots.iter().try_for_each(|snapshot| snapshot.write(transaction)).is_err() {
            transaction.execute_batch("ROLLBACK TO factum_snapshots")?;
        }
        transaction.execute_batch("RELEASE factum_snapshots")?;
        stored = true;
    }
    if stored {
        let committed =
            transaction.prepare_cached(own_sql!("COMMIT")).and_then(|mut commit| commit.execute(()));
        committed.map_err(|error| match error.sqlite_error_code() {
            // What a hook has written for another writer's event may be the reason.
            Some(ErrorCode::ConstraintViolation) if has_others => Failure::Behind,
            _ => Failure::Commit(error),
        })?;
        if let Some((position, id)) = last {
            remembered.stored(position, id);
        }
    }
    Ok(answers)
}

/// Whether a request writes anything. Otherwise it only checks versions.
fn writes(request: &Request<'_>) -> bool {
    request
        .appends
        .iter()
        .any(|append| !(append.events.is_empty() && append.keys.is_empty() && append.timers.is_empty()))
}

/// The statements that an append runs.
struct Statements<'c, 'r> {
    connection: &'c Connection,
    remembered: &'r mut Remembered,
    /// The stream that the last append has written to, and what it is since.
    written: Option<(&'r StreamName, StreamHead)>,
    /// Compiled when it is needed: most commands are to streams that have a number.
    register: Option<CachedStatement<'c>>,
    insert: CachedStatement<'c>,
    /// The position of the newest event, also of those that this transaction has written; 0 if there is none,
    /// and `None` if it is not known yet.
    newest: Option<i64>,
    /// Whether `newest` is not looked up, but remembered.
    is_remembered: bool,
    /// The position and id of the last event that was inserted.
    last: Option<(i64, Uuid)>,
}

/// A stream's number and version, and the newest position of the store.
const FIND: &str = "SELECT id, (SELECT max(version) FROM factum_events WHERE stream = factum_streams.id),
    (SELECT max(position) FROM factum_events) FROM factum_streams WHERE category = ?1 AND key = ?2";

/// As [`FIND`], and the id of the stream's last event.
const FIND_WITH_LAST: &str = "SELECT id, (SELECT max(version) FROM factum_events WHERE stream = factum_streams.id),
    (SELECT max(position) FROM factum_events),
    (SELECT event.id FROM factum_events AS event WHERE stream = factum_streams.id ORDER BY version DESC LIMIT 1)
    FROM factum_streams WHERE category = ?1 AND key = ?2";

/// The position of the newest event; 0 if there is none.
fn newest_position(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT max(position) FROM factum_events")?
        .query_row((), |row| row.get::<_, Option<i64>>(0))
        .map(Option::unwrap_or_default)
}

/// A stream's number, if it has one, and its version.
#[derive(Clone, Copy)]
struct StreamHead {
    stream: Option<i64>,
    version: u64,
}

impl<'c, 'r> Statements<'c, 'r> {
    fn prepare(connection: &'c Connection, remembered: &'r mut Remembered) -> rusqlite::Result<Self> {
        remembered.begin();
        remembered.learn(connection);
        let newest = remembered.newest();
        Ok(Self {
            connection,
            newest,
            is_remembered: newest.is_some(),
            last: None,
            written: None,
            remembered,
            register: None,
            // SQLite chooses the position, which is cheaper than to check a given one.
            insert: connection.prepare_cached(own_sql!(
                "INSERT INTO factum_events
                 (stream, version, name, schema, id, recorded_at, correlation, causation, custom, payload, checksum)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
            ))?,
        })
    }

    /// The newest position, if so many events can come after it. After the greatest number, SQLite would choose
    /// numbers at random.
    fn newest_with_room(&mut self, events: usize) -> Result<i64, Failure> {
        let newest = match self.newest {
            Some(newest) => newest,
            None => newest_position(self.connection)?,
        };
        let last = i64::try_from(events).ok().and_then(|events| newest.checked_add(events));
        if newest < 0 || last.is_none() {
            return Err(no_room(newest));
        }
        self.newest = last;
        Ok(newest)
    }

    fn append(&mut self, request: &[Append<'r>], last_event: Option<Uuid>) -> Result<Answer, Failure> {
        if let [append] = request {
            return self.append_to_one(append, last_event);
        }
        let mut heads = Vec::with_capacity(request.len());
        for append in request {
            let (head, _) = self.find(append.stream, false)?;
            if let Some(error) = self.rejection(append, head)? {
                return Ok(Err(error.into()));
            }
            heads.push(head);
        }
        let mut appended = Appended::new(None, Vec::with_capacity(request.len()));
        for (append, head) in request.iter().zip(heads) {
            let (position, version) = self.write(append, head)?;
            appended.first_position = appended.first_position.or(position);
            appended.versions.push(version);
        }
        Ok(Ok(appended))
    }

    fn append_to_one(&mut self, append: &Append<'r>, last_event: Option<Uuid>) -> Result<Answer, Failure> {
        // A stream that is expected to be new most likely is. Registering it finds out.
        let new = append.expected.exact() == Some(0) && !append.events.is_empty();
        let head = if new && let Some(stream) = self.register(append.stream)? {
            StreamHead { stream: Some(stream), version: 0 }
        } else {
            let (head, last) = self.find(append.stream, last_event.is_some())?;
            if let Some(error) = self.rejection(append, head)? {
                return Ok(Err(error.into()));
            }
            if last_event != last {
                return Ok(Err(QueueError::Void));
            }
            head
        };
        let (first_position, version) = self.write(append, head)?;
        Ok(Ok(Appended::new(first_position, vec![version])))
    }

    /// Why an append to a stream with this head is rejected, if it is.
    fn rejection(&self, append: &Append<'_>, head: StreamHead) -> rusqlite::Result<Option<AppendError>> {
        for key in append.keys {
            if let Some(known) = keys::find(self.connection, append.stream, key.key)? {
                let (stream, key) = (append.stream.clone(), key.key.to_owned());
                return Ok(Some(match known.outcome(&stream, &key) {
                    Ok(outcome) => AppendError::KnownKey { stream, key, outcome: outcome.into() },
                    Err(damaged) => AppendError::store(&stream, damaged),
                }));
            }
        }
        if append.expected.matches(head.version) {
            Ok(None)
        } else {
            Ok(Some(Conflict::new(append.stream.clone(), append.expected, head.version).into()))
        }
    }

    /// Writes the events and keys of an append. Returns the position of the first event, if there is one, and
    /// the stream's version after the last.
    fn write(&mut self, append: &Append<'r>, head: StreamHead) -> Result<(Option<Position>, u64), Failure> {
        for change in append.timers {
            timers::change(self.connection, change)?;
        }
        if append.events.is_empty() && append.keys.is_empty() {
            return Ok((None, head.version));
        }
        let stream = match head.stream {
            Some(stream) => stream,
            None => match self.register(append.stream)? {
                Some(stream) => stream,
                None => return Err(rusqlite::Error::QueryReturnedNoRows.into()),
            },
        };
        let hash = StreamHash::of(append.stream);
        self.remembered.add_stream(hash, stream);
        let mut position = self.newest_with_room(append.events.len())?;
        let mut version = head.version;
        let mut first_position = None;
        for event in append.events {
            version += 1;
            position = position.saturating_add(1);
            self.insert(&EventRow::new((stream, hash), (position, version), event), position)?;
            first_position = first_position.or(Some(Position::new(position.unsigned_abs())));
        }
        for key in append.keys {
            keys::insert(self.connection, (stream, append.stream), key.key, key.outcome(head.version))?;
            if let Some(waiting) = key.waiting
                && !outbox::take(self.connection, waiting)?
            {
                return Err(Failure::NotWaiting);
            }
        }
        self.written = Some((append.stream, StreamHead { stream: Some(stream), version }));
        Ok((first_position, version))
    }

    /// Inserts the row of an event, which has to get this position.
    fn insert(&mut self, row: &EventRow<'_>, position: i64) -> Result<(), Failure> {
        keys::expect_one_row(self.insert.execute(&row.values()[..])?)?;
        if self.connection.last_insert_rowid() == position {
            self.last = Some((position, row.event.id));
            Ok(())
        } else if self.is_remembered {
            self.remembered.was_wrong();
            Err(Failure::WronglyRemembered)
        } else {
            Err(no_room(position))
        }
    }

    /// The number of a stream and its version and, `with_last`, the id of its last event.
    fn find(&mut self, stream: &StreamName, with_last: bool) -> rusqlite::Result<(StreamHead, Option<Uuid>)> {
        if let Some((known, head)) = self.written
            && !with_last
            && known == stream
        {
            return Ok((head, None));
        }
        let mut find = self.connection.prepare_cached(if with_last { FIND_WITH_LAST } else { FIND })?;
        let mut rows = find.query((stream.category(), stream.key()))?;
        let Some(row) = rows.next()? else { return Ok((StreamHead { stream: None, version: 0 }, None)) };
        let version = row.get::<_, Option<u64>>(1)?.unwrap_or(0);
        self.found_newest(row.get::<_, Option<i64>>(2)?.unwrap_or(0));
        let last = if with_last { row.get::<_, Option<[u8; 16]>>(3)? } else { None };
        Ok((StreamHead { stream: row.get(0)?, version }, last.map(Uuid::from_bytes)))
    }

    fn found_newest(&mut self, newest: i64) {
        if self.is_remembered && self.newest != Some(newest) {
            self.remembered.was_wrong();
        }
        (self.newest, self.is_remembered) = (Some(newest), false);
    }

    /// Gives a stream a number and returns it; `None` if the stream has one already.
    fn register(&mut self, stream: &StreamName) -> rusqlite::Result<Option<i64>> {
        let register = match &mut self.register {
            Some(register) => register,
            none => none.insert(self.connection.prepare_cached(own_sql!(
                "INSERT OR IGNORE INTO factum_streams (category, key) VALUES (?1, ?2)"
            ))?),
        };
        let made = register.execute((stream.category(), stream.key()))?;
        if made == 0 {
            return Ok(None);
        }
        let number = self.connection.last_insert_rowid();
        self.remembered.registered(StreamHash::of(stream), number);
        Ok(Some(number))
    }
}

fn no_room(newest: i64) -> Failure {
    let problem = "can't be: no event can come after it".to_owned();
    Failure::Store(StoreError::DamagedEvent { position: newest, column: "position", problem })
}

/// The columns of an event that is about to be stored, without its position.
pub(super) struct EventRow<'a> {
    stream: i64,
    version: u64,
    event: &'a NewEvent<'a>,
    recorded_at: i64,
    correlation: Option<&'a [u8; 16]>,
    causation: Option<&'a [u8; 16]>,
    custom: Option<&'a str>,
    checksum: i64,
}

impl<'a> EventRow<'a> {
    pub(super) fn new(
        (stream, hash): (i64, StreamHash),
        (position, version): (i64, u64),
        event: &'a NewEvent<'a>,
    ) -> Self {
        Self {
            stream,
            version,
            event,
            recorded_at: event.recorded_at.as_micros(),
            correlation: event.metadata.correlation.as_ref().map(Uuid::as_bytes),
            causation: event.metadata.causation.as_ref().map(Uuid::as_bytes),
            custom: event.metadata.custom_json(),
            checksum: hash.checksum_of_new(position.unsigned_abs(), version, event),
        }
    }

    /// The values of the columns from `stream` to `checksum`.
    pub(super) fn values(&self) -> [&dyn ToSql; 11] {
        [
            &self.stream,
            &self.version,
            &self.event.name,
            &self.event.event_version,
            self.event.id.as_bytes(),
            &self.recorded_at,
            &self.correlation,
            &self.causation,
            &self.custom,
            &self.event.payload,
            &self.checksum,
        ]
    }
}

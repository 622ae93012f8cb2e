//! What has become of appends whose answer is lost.

use std::time::Instant;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::domain::error::BoxError;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::postgres::server::address::Address;
use crate::postgres::server::error::Failure;
use crate::postgres::server::names::escaped;
use crate::postgres::server::session::Session;
use crate::postgres::store::call::number;
use crate::postgres::store::keys::{self, KnownKey};
use crate::postgres::store::pause::{SHORTEST_PAUSE, rest};
use crate::store::append::{Append, Appended};
use crate::store::group_commit::Request;
use crate::store::written::Written;

/// What a warning of the server means, after a commit.
pub(super) const NO_STANDBY: &str = "the server has committed without the answer of its standbys";

/// Ends the session that holds a lock on this number. A lock on 64 bits has them in two columns.
///
/// A session that commits stays: a signal ends its wait for standbys, also if it comes before the wait begins. Others would then see a
/// commit that the loss of the server undoes. So this takes the session's *gate* first, and holds it until the signal is sent.
const END_HOLDER: &str =
    "WITH gate AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(~$1::bigint) AS is_free)
    SELECT pg_terminate_backend(pid) FROM gate, pg_locks
    WHERE is_free AND locktype = 'advisory' AND objsubid = 1 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid::bigint = (($1::bigint >> 32) & 4294967295) AND objid::bigint = ($1::bigint & 4294967295)";

/// The statements that look for lost appends.
pub(super) struct Lost {
    event: String,
    key: String,
    version: String,
    place: String,
    recorded: String,
    commit: String,
}

/// Something that a transaction has written: if it is stored, so is all of the transaction.
#[derive(Debug, Clone)]
pub(crate) enum Trace {
    /// It has written nothing.
    Nothing,
    Event {
        position: Position,
        id: Uuid,
    },
    Key {
        stream: StreamName,
        key: String,
        recorded_at: Timestamp,
    },
}

impl Trace {
    /// What the requests have written that were not refused; `None` if that is only timers, which others may replace.
    pub(crate) fn of(written: &Written<'_>) -> Option<Self> {
        let mut trace = Some(Self::Nothing);
        for (request, answer) in written.requests.iter().zip(written.answers) {
            let Ok(appended) = answer else { continue };
            let event = request.appends.iter().flat_map(|append| append.events).next();
            if let (Some(position), Some(event)) = (appended.first_position, event) {
                return Some(Self::Event { position, id: event.id });
            }
            for append in request.appends {
                if let [key, ..] = append.keys {
                    let (stream, recorded_at) = (append.stream.clone(), key.recorded_at);
                    trace = Some(Self::Key { stream, key: key.key.to_owned(), recorded_at });
                } else if !append.timers.is_empty() && matches!(trace, Some(Self::Nothing)) {
                    trace = None;
                }
            }
        }
        trace
    }
}

impl Lost {
    pub(super) fn new(schema: &str) -> Self {
        let stream = format!("(SELECT id FROM {schema}.streams WHERE category = $1 AND key = $2)");
        Self {
            event: format!(
                "SELECT position, version FROM {schema}.events
                 WHERE stream = {stream} AND id = $3 AND ($4::bigint < 0 OR version = $4 + 1) ORDER BY version DESC LIMIT 1"
            ),
            key: format!("SELECT {} FROM {schema}.keys AS k WHERE k.stream = {stream} AND k.key = $3", keys::COLUMNS),
            version: format!(
                "SELECT version FROM {schema}.events WHERE stream = {stream} ORDER BY version DESC LIMIT 1"
            ),
            place: format!("SELECT FROM {schema}.events WHERE position = $1 AND id = $2"),
            recorded: format!("SELECT FROM {schema}.keys WHERE stream = {stream} AND key = $3 AND recorded_at = $4"),
            commit: format!("UPDATE {schema}.counter SET position = position"),
        }
    }

    /// Commits a transaction that changes nothing, as durably as an append.
    pub(super) async fn commit(&self, session: &Session) -> Result<(), Failure> {
        session.query(&self.commit, &[]).await.map(drop)
    }

    /// Waits until the session with this token can no longer commit; `false` if it still can at the deadline.
    ///
    /// The session holds a lock on the token as long as it lives. It lives until the server notices that its connection is
    /// gone, which may take long, so it is ended, unless it is about to commit.
    pub(super) async fn wait_for_end(
        &self,
        session: &Session,
        token: i64,
        deadline: Instant,
    ) -> Result<bool, Failure> {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let rows = session.query("SELECT pg_try_advisory_lock($1)", &[&token]).await?;
            if first::<bool>(&rows)?.unwrap_or(false) {
                session.query("SELECT pg_advisory_unlock($1)", &[&token]).await?;
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            match session.query(END_HOLDER, &[&token]).await {
                // Without the right to end it, the session ends by itself.
                Ok(_) | Err(Failure::Final(_)) => {}
                Err(failure) => return Err(failure),
            }
            rest(&mut pause).await;
        }
    }

    /// What was stored of a request; `None` if nothing was. It is stored as a whole or not at all.
    pub(super) async fn find(
        &self,
        session: &Session,
        request: &Request<'_>,
    ) -> Result<Option<Appended>, Failure> {
        let (mut first_position, mut versions) = (None, Vec::with_capacity(request.appends.len()));
        let mut is_stored = false;
        for append in request.appends {
            match append {
                Append { events: [event, ..], .. } => {
                    let (category, key) = (escaped(append.stream.category()), escaped(append.stream.key()));
                    let expected = number(append.expected.exact());
                    let rows = session.query(&self.event, &[&category, &key, &event.id, &expected]).await?;
                    let Some(row) = rows.first() else { return Ok(None) };
                    let position: i64 = get(row, 0)?;
                    first_position = first_position.or(Some(Position::new(position.unsigned_abs())));
                    let before = get::<i64>(row, 1)?.unsigned_abs().saturating_sub(1);
                    versions.push(before + append.events.len() as u64);
                    is_stored = true;
                }
                Append { keys: [key, ..], .. } => {
                    let (category, of) = (escaped(append.stream.category()), escaped(append.stream.key()));
                    let rows = session.query(&self.key, &[&category, &of, &escaped(key.key)]).await?;
                    let Some(row) = rows.first() else { return Ok(None) };
                    let known = KnownKey::of_row(row).map_err(Failure::of)?;
                    // Another command with the key would have another time or mark.
                    match known.outcome(append.stream, key.key) {
                        Ok(known) if known == key.outcome(known.before) => versions.push(known.version),
                        _ => return Ok(None),
                    }
                    is_stored = true;
                }
                append => {
                    let version = match append.expected.exact() {
                        Some(version) => version,
                        None => self.version(session, append).await?,
                    };
                    versions.push(version);
                }
            }
        }
        Ok(is_stored.then(|| Appended::new(first_position, versions)))
    }

    /// Whether a transaction with this trace is stored.
    pub(super) async fn is_stored(&self, session: &Session, trace: &Trace) -> Result<bool, Failure> {
        let rows = match trace {
            Trace::Nothing => return Ok(false),
            Trace::Event { position, id } => {
                session.query(&self.place, &[&position.get().cast_signed(), id]).await?
            }
            Trace::Key { stream, key, recorded_at } => {
                let (category, of) = (escaped(stream.category()), escaped(stream.key()));
                let recorded_at = recorded_at.as_micros();
                session.query(&self.recorded, &[&category, &of, &escaped(key), &recorded_at]).await?
            }
        };
        Ok(!rows.is_empty())
    }

    async fn version(&self, session: &Session, append: &Append<'_>) -> Result<u64, Failure> {
        let (category, key) = (escaped(append.stream.category()), escaped(append.stream.key()));
        let rows = session.query(&self.version, &[&category, &key]).await?;
        Ok(first::<i64>(&rows)?.unwrap_or(0).unsigned_abs())
    }
}

fn first<T: for<'r> tokio_postgres::types::FromSql<'r>>(rows: &[Row]) -> Result<Option<T>, Failure> {
    rows.first().map(|row| get(row, 0)).transpose()
}

fn get<T: for<'r> tokio_postgres::types::FromSql<'r>>(row: &Row, column: usize) -> Result<T, Failure> {
    row.try_get(column).map_err(Failure::of)
}

/// Why it is not known whether requests are stored.
pub(super) enum Unsettled {
    /// The new session is gone as well.
    Broken,
    Unknown(BoxError),
}

impl From<Failure> for Unsettled {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Broken(_) | Failure::ReadOnly | Failure::Again => Self::Broken,
            Failure::Final(error) => Self::Unknown(error.into()),
        }
    }
}

/// Begins a session that holds the lock on its token as long as it lives, so that another one can wait for its end.
pub(super) async fn begin(address: &Address) -> Result<Session, Failure> {
    let session = address.begin(None).await?;
    let token: &(dyn ToSql + Sync) = &session.token;
    session.query("SELECT pg_advisory_lock($1)", &[token]).await?;
    Ok(session)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::append::ExpectedVersion;
    use crate::store::timer::TimerChange;

    /// Other programs may replace or send a timer at once. So another server can't tell from the timers whether it has the commit.
    #[test]
    fn timers_alone_leave_no_trace() {
        let stream = StreamName::new("account", "alice");
        let timers = [TimerChange::Cancel("reminder".into())];
        let bare = Append::new(&stream, ExpectedVersion::Any, &[]);
        let with_timers = Append { timers: &timers, ..bare };
        let trace_of = |appends: &[Append<'_>]| {
            let requests = [Request { appends, chains: &[] }];
            let answers = [Ok(Appended::new(None, vec![0]))];
            Trace::of(&Written { requests: &requests, answers: &answers })
        };
        assert!(matches!(trace_of(&[bare]), Some(Trace::Nothing)));
        assert!(trace_of(&[with_timers]).is_none());
    }
}

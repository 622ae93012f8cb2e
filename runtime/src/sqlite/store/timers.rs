//! Timers: rows of `factum_timers`.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use uuid::Uuid;

use crate::domain::metadata::Cause;
use crate::domain::time::Timestamp;
use crate::follow::timers::timer::{DiscardedTimer, Timer, TimerFailure};
use crate::follow::timers::timer_store::{DueCommand, DueTimer, TimerLook, TimerResult, TimerStep};
use crate::sqlite::file::handler_sql::own_sql;
use crate::sqlite::store::keys::expect_one_row;
use crate::store::timer::{NewTimer, TimerChange};

/// Sets or cancels a timer. Returns whether one with its key was waiting.
pub(crate) fn change(connection: &Connection, change: &TimerChange) -> rusqlite::Result<bool> {
    let key = match change {
        TimerChange::Set(timer) => &timer.key,
        TimerChange::Cancel(key) => key,
    };
    let removed = connection
        .prepare_cached(own_sql!("DELETE FROM factum_timers WHERE key = ?1 AND status = 0"))?
        .execute([key])?;
    if let TimerChange::Set(timer) = change {
        insert(connection, timer)?;
    }
    Ok(removed > 0)
}

fn insert(connection: &Connection, timer: &NewTimer) -> rusqlite::Result<()> {
    let NewTimer { id, key, due, command, version, content, cause } = timer;
    let (cause, correlation) = (cause.id.as_bytes(), cause.correlation.as_bytes());
    connection
        .prepare_cached(own_sql!(
            "INSERT INTO factum_timers (key, due, id, command, version, content, cause, correlation, status)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0)"
        ))?
        .execute((key, due.as_micros(), id.as_bytes(), command, version, content, cause, correlation))
        .and_then(expect_one_row)
}

/// Records what has become of timers that were taken, and takes those that are due.
pub(crate) fn step(connection: &Connection, step: &TimerStep<'_>) -> rusqlite::Result<Vec<DueTimer>> {
    let TimerStep { results, now, limit, is_ready, .. } = *step;
    for (number, result) in results {
        record(connection, *number, result, now)?;
    }
    connection
        .prepare_cached(own_sql!(
            "UPDATE factum_timers SET status = 1 WHERE number IN (
                 SELECT number FROM factum_timers WHERE status = 0 AND due <= ?1 ORDER BY due, number LIMIT ?2
             )"
        ))?
        .execute((now.as_micros(), bounded(limit)))?;
    let mut select = connection.prepare_cached(
        "SELECT number, key, command, id, version, content, cause, correlation FROM factum_timers
         WHERE status = 1 ORDER BY due, number",
    )?;
    let (mut rows, mut due) = (select.query(())?, Vec::new());
    while due.len() < limit
        && let Some(row) = rows.next()?
    {
        if is_ready(row.get(0)?) {
            due.push(due_timer(row)?);
        }
    }
    Ok(due)
}

/// What a timer sends. A row that can't be read is a timer that fails.
fn due_timer(row: &Row<'_>) -> rusqlite::Result<DueTimer> {
    let sent = || -> rusqlite::Result<DueCommand> {
        let uuid = |index: usize| row.get(index).map(Uuid::from_bytes);
        Ok(DueCommand {
            id: uuid(3)?,
            version: row.get(4)?,
            content: row.get(5)?,
            cause: Cause::new(uuid(6)?, uuid(7)?),
        })
    };
    Ok(DueTimer {
        number: row.get(0)?,
        key: text(row, 1)?,
        command: text(row, 2)?,
        sent: sent().map_err(|error| format!("the stored timer can't be read: {error}")),
    })
}

fn record(
    connection: &Connection,
    number: i64,
    result: &TimerResult,
    now: Timestamp,
) -> rusqlite::Result<()> {
    match result {
        TimerResult::Sent => connection
            .prepare_cached(own_sql!("DELETE FROM factum_timers WHERE number = ?1 AND status = 1"))?
            .execute([number]),
        TimerResult::Failed(error) => connection
            .prepare_cached(own_sql!(
                "UPDATE factum_timers SET status = 2, error = ?2, failed_at = ?3
                 WHERE number = ?1 AND status = 1"
            ))?
            .execute((number, error, now.as_micros())),
    }
    .map(drop)
}

pub(crate) fn look(connection: &Connection) -> rusqlite::Result<TimerLook> {
    connection
        .prepare_cached(
            "SELECT (SELECT count(*) FROM factum_timers WHERE status = 1),
             (SELECT min(due) FROM factum_timers WHERE status = 0)",
        )?
        .query_row((), |row| {
            let first = row.get::<_, Option<i64>>(1)?.map(Timestamp::from_micros);
            Ok(TimerLook { taken: row.get(0)?, first })
        })
}

/// How many timers are due and not sent, and since when the first of them is.
pub(crate) fn late(connection: &Connection, now: Timestamp) -> rusqlite::Result<(u64, Option<Timestamp>)> {
    let mut select = connection.prepare_cached(
        "SELECT count(*), min(due) FROM (
             SELECT due FROM factum_timers WHERE status = 0 AND due <= ?1
             UNION ALL SELECT due FROM factum_timers WHERE status = 1 AND due <= ?1
         )",
    )?;
    select.query_row([now.as_micros()], |row| {
        Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?.map(Timestamp::from_micros)))
    })
}

/// The timers that wait or are being sent, after one.
pub(crate) fn waiting(
    connection: &Connection,
    (due, number): (Timestamp, i64),
    limit: usize,
) -> rusqlite::Result<Vec<Timer>> {
    connection
        .prepare_cached(
            "SELECT * FROM (
                 SELECT number, key, due, command, content, error, failed_at FROM factum_timers
                 WHERE status = 0 AND (due, number) > (?1, ?2)
                 UNION ALL
                 SELECT number, key, due, command, content, error, failed_at FROM factum_timers
                 WHERE status = 1 AND (due, number) > (?1, ?2)
             ) ORDER BY due, number LIMIT ?3",
        )?
        .query_map((due.as_micros(), number, bounded(limit)), |row| {
            // A dead letter that is sent again has an error of before.
            Ok(Timer { failure: None, ..timer(row)? })
        })?
        .collect()
}

/// The dead letters after one.
pub(crate) fn failed(
    connection: &Connection,
    (due, number): (Timestamp, i64),
    limit: usize,
) -> rusqlite::Result<Vec<Timer>> {
    connection
        .prepare_cached(
            "SELECT number, key, due, command, content, error, failed_at FROM factum_timers
             WHERE status = 2 AND (due, number) > (?1, ?2) ORDER BY due, number LIMIT ?3",
        )?
        .query_map((due.as_micros(), number, bounded(limit)), timer)?
        .collect()
}

/// The dead letters that were discarded, after one.
pub(crate) fn discarded(
    connection: &Connection,
    (due, number): (Timestamp, i64),
    limit: usize,
) -> rusqlite::Result<Vec<DiscardedTimer>> {
    connection
        .prepare_cached(
            "SELECT number, key, due, command, content, error, failed_at, reason, discarded_at FROM factum_timers
             WHERE status = 3 AND (due, number) > (?1, ?2) ORDER BY due, number LIMIT ?3",
        )?
        .query_map((due.as_micros(), number, bounded(limit)), |row| {
            let at = row.get::<_, Option<i64>>(8)?.unwrap_or_default();
            Ok(DiscardedTimer::new(timer(row)?, text(row, 7)?, Timestamp::from_micros(at)))
        })?
        .collect()
}

/// Lets the command of a dead letter be sent again.
pub(crate) fn retry(connection: &Connection, number: i64) -> rusqlite::Result<bool> {
    let sql = own_sql!("UPDATE factum_timers SET status = 1 WHERE number = ?1 AND status = 2");
    connection.prepare_cached(sql)?.execute([number]).map(|changed| changed > 0)
}

/// Discards a dead letter.
pub(crate) fn discard(
    connection: &Connection,
    number: i64,
    reason: &str,
    at: Timestamp,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(own_sql!(
            "UPDATE factum_timers SET status = 3, reason = ?2, discarded_at = ?3
             WHERE number = ?1 AND status = 2"
        ))?
        .execute((number, reason, at.as_micros()))
        .map(|changed| changed > 0)
}

fn timer(row: &Row<'_>) -> rusqlite::Result<Timer> {
    let failed_at = row.get::<_, Option<i64>>(6)?.map(Timestamp::from_micros);
    Ok(Timer {
        number: row.get(0)?,
        key: text(row, 1)?,
        due: Timestamp::from_micros(row.get(2)?),
        command: text(row, 3)?,
        content: text(row, 4)?,
        failure: failed_at.map(|at| text(row, 5).map(|error| TimerFailure::new(error, at))).transpose()?,
    })
}

/// A text, also one that is damaged: a timer with such a text is a dead letter, which has to be listed.
fn text(row: &Row<'_>, index: usize) -> rusqlite::Result<String> {
    Ok(match row.get_ref(index)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    })
}

fn bounded(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

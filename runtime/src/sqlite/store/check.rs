//! Checks a store's file for damage.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use crate::sqlite::file::errors::store_error;
use crate::sqlite::file::handler_sql::own_sql;
use crate::sqlite::store::keys;
use crate::sqlite::store::rows::{self, ALL};
use crate::sqlite::store::stream_names::StreamNames;
use crate::store::error::StoreError;

/// How many findings of each kind a check reports at most.
const MOST_FINDINGS: usize = 100;

/// Damage that a check has found in a store's file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// A description of the damage.
    pub message: String,
}

impl Damage {
    fn new(message: &impl ToString) -> Self {
        Self { message: message.to_string() }
    }
}

/// SQL of which each row is a finding.
const FINDINGS: [&str; 13] = [
    "SELECT category || '/' || key || ' has ' || count(*) || ' events, and versions from ' || min(version)
     || ' to ' || max(version)
     FROM factum_events JOIN factum_streams ON factum_streams.id = stream GROUP BY stream
     HAVING min(version) <> 1 OR max(version) <> count(*)",
    "SELECT 'version ' || version || ' of stream ' || stream || ' is at position ' || position
     || ', and the version before it is at position ' || earlier
     FROM (SELECT stream, version, position, lag(position) OVER (PARTITION BY stream ORDER BY version) AS earlier
           FROM factum_events)
     WHERE position <= earlier",
    "SELECT 'the payload of the event at position ' || position || ' is not JSON'
     FROM factum_events WHERE NOT json_valid(payload)",
    "SELECT 'the custom metadata of the event at position ' || position || ' are not JSON'
     FROM factum_events WHERE NOT json_valid(custom)",
    // SQLite's own check compares the entries of an index only with the rows that they lead to by their key.
    "SELECT 'the index says that version ' || i.version || ' of stream ' || i.stream || ' is at position '
     || i.position || ', where another event is, or none'
     FROM factum_events AS i INDEXED BY sqlite_autoindex_factum_events_1
     LEFT JOIN factum_events AS e NOT INDEXED ON e.position = i.position
     WHERE e.stream IS NOT i.stream OR e.version IS NOT i.version",
    "SELECT 'the index says that ' || i.category || '/' || i.key || ' is stream ' || i.id
     || ', which has another name, or none'
     FROM factum_streams AS i INDEXED BY sqlite_autoindex_factum_streams_1
     LEFT JOIN factum_streams AS s NOT INDEXED ON s.id = i.id
     WHERE s.category IS NOT i.category OR s.key IS NOT i.key",
    "SELECT category || '/' || key || ' is stream ' || id || ', and the first is 1'
     FROM factum_streams WHERE id < 1",
    "SELECT 'the snapshot of stream ' || s.stream || ' is of version ' || s.version || ' at position ' || s.position
     || ', where the stream does not have that event'
     FROM factum_snapshots AS s LEFT JOIN factum_events AS e ON e.stream = s.stream AND e.version = s.version
     WHERE e.position IS NOT s.position OR s.event <> e.id",
    "SELECT 'the idempotency key `' || k.key || '` of stream ' || k.stream || ' has the outcome of versions '
     || k.before || ' to ' || k.version || ', and the stream ends at version ' || k.newest
     FROM (SELECT *, coalesce((SELECT max(version) FROM factum_events AS e WHERE e.stream = k.stream), 0) AS newest
           FROM factum_keys AS k) AS k
     WHERE k.before < 0 OR k.version < k.before OR k.version > k.newest",
    // A checkpoint in this file may be that of another store's events.
    "SELECT 'the checkpoint of `' || c.projection || '` is position ' || c.position
     || ', where the store does not have the event that the follower has seen'
     FROM factum_checkpoints AS c LEFT JOIN factum_events AS e ON e.position = c.position
     WHERE c.store = (SELECT id FROM factum_store) AND (c.event IS NOT NULL AND c.event IS NOT e.id OR c.position < 0
     OR c.position > (SELECT coalesce(max(position), 0) FROM factum_events))",
    "SELECT 'partition ' || p.part || ' of `' || p.projection || '` is at position ' || p.position
     || ', where the store does not have the event that the follower has seen'
     FROM factum_parts AS p JOIN factum_checkpoints AS c ON c.projection = p.projection
     LEFT JOIN factum_events AS e ON e.position = p.position
     WHERE c.store = (SELECT id FROM factum_store) AND (p.event IS NOT NULL AND p.event IS NOT e.id OR p.position < 0
     OR p.position > (SELECT coalesce(max(position), 0) FROM factum_events))",
    "SELECT '`' || projection || '` has ' || count(*) || ' partitions, numbered from ' || min(part) || ' to ' || max(part)
     FROM factum_parts GROUP BY projection HAVING min(part) <> 0 OR max(part) <> count(*) - 1",
    "SELECT '`' || d.projection || '` has a dead letter at position ' || d.position || ', where the store has no event'
     FROM factum_dead_letters AS d JOIN factum_checkpoints AS c ON c.projection = d.projection
     WHERE c.store = (SELECT id FROM factum_store) AND d.position NOT IN (SELECT position FROM factum_events)",
];

/// All damage, in one state of the file.
pub(crate) fn damages(connection: &Connection) -> rusqlite::Result<Vec<Damage>> {
    let mut damages = Vec::new();
    let integrity = format!("PRAGMA integrity_check({MOST_FINDINGS})");
    contain(rows_of(connection, &integrity, &mut damages), &mut damages)?;
    contain(damaged_events(connection, &mut damages), &mut damages)?;
    let mut damaged_keys = Vec::new();
    let checked = keys::check(connection, |error| {
        if damaged_keys.len() < MOST_FINDINGS {
            damaged_keys.push(Damage::new(error));
        }
    });
    damages.append(&mut damaged_keys);
    contain(checked, &mut damages)?;
    for findings in FINDINGS {
        let sql = format!("{findings} LIMIT {MOST_FINDINGS}");
        contain(rows_of(connection, &sql, &mut damages), &mut damages)?;
    }
    Ok(damages)
}

/// If the file is too damaged to be checked, the error is the finding.
fn contain(result: rusqlite::Result<()>, damages: &mut Vec<Damage>) -> rusqlite::Result<()> {
    match result {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            let damage = Damage::new(&error);
            if !damages.contains(&damage) {
                damages.push(damage);
            }
            Ok(())
        }
        result => result,
    }
}

fn rows_of(connection: &Connection, sql: &str, damages: &mut Vec<Damage>) -> rusqlite::Result<()> {
    let mut select = connection.prepare(sql)?;
    let mut rows = select.query(())?;
    while let Some(row) = rows.next()? {
        let message = match row.get_ref(0)? {
            // The message may have a name in it that is not valid text.
            ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => format!("{other:?}"),
        };
        // SQLite's answer for a file without damage.
        if message != "ok" {
            damages.push(Damage { message });
        }
    }
    Ok(())
}

/// Reads each event as readers do, with its checksum, and looks for gaps between them.
fn damaged_events(connection: &Connection, damages: &mut Vec<Damage>) -> rusqlite::Result<()> {
    let mut select = connection.prepare(&format!("SELECT {ALL} FROM factum_events ORDER BY position"))?;
    let mut rows = select.query(())?;
    let mut names = StreamNames::new();
    let (mut before, mut gaps, mut unreadable) = (0_i64, 0, 0);
    while let Some(row) = rows.next()? {
        let position: i64 = row.get(0)?;
        if before.checked_add(1) != Some(position) && position > 0 && gaps < MOST_FINDINGS {
            gaps += 1;
            damages.push(Damage {
                message: format!("events are missing between position {before} and position {position}"),
            });
        }
        before = position.max(0);
        match rows::checked_row(connection, row, &mut names) {
            Err(error @ StoreError::DamagedEvent { .. }) if unreadable < MOST_FINDINGS => {
                unreadable += 1;
                damages.push(Damage::new(&error));
            }
            // Other errors are SQLite's, and come again with the next row.
            _ => {}
        }
    }
    Ok(())
}

/// Gives each event a checksum that has none, as those that an earlier factum has written.
///
/// An event that can't be read gets none.
pub(crate) fn add_checksums(connection: &Connection) -> Result<(), StoreError> {
    const PAGE: usize = 1_000;
    let sql = format!(
        "SELECT {ALL} FROM factum_events WHERE checksum IS NULL AND position >= ?1 ORDER BY position LIMIT {PAGE}"
    );
    let mut names = StreamNames::new();
    let mut from = i64::MIN;
    loop {
        let mut missing = Vec::new();
        let mut last = None;
        {
            let mut select = connection.prepare_cached(&sql).map_err(store_error)?;
            let mut rows = select.query([from]).map_err(store_error)?;
            while let Some(row) = rows.next().map_err(store_error)? {
                let position: i64 = row.get(0).map_err(store_error)?;
                last = Some(position);
                if let Ok(checksum) = rows::checked_row(connection, row, &mut names) {
                    missing.push((position, checksum));
                }
            }
        }
        write_checksums(connection, &missing).map_err(store_error)?;
        match last.and_then(|last| last.checked_add(1)) {
            Some(next) => from = next,
            None => return Ok(()),
        }
    }
}

fn write_checksums(connection: &Connection, checksums: &[(i64, i64)]) -> rusqlite::Result<()> {
    if checksums.is_empty() {
        return Ok(());
    }
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    {
        let mut update = transaction
            .prepare_cached(own_sql!("UPDATE factum_events SET checksum = ?2 WHERE position = ?1"))?;
        checksums.iter().try_for_each(|checksum| update.execute(*checksum).map(drop))?;
    }
    transaction.commit()
}

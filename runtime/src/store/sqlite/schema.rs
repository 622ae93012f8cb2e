//! The tables of a store's file.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

/// The version of the tables below. A file with a greater one was written by a newer factum.
pub(super) const VERSION: i64 = 4;

/// What makes each version out of the one before, the first out of nothing. Files of all of them are about: what stands
/// here is never changed, only added to.
const STEPS: [&str; 4] = [FIRST, KEYS_AND_SNAPSHOTS, LEASES_AND_DEAD_LETTERS, PARTS_AND_REBUILDS];

/// `factum_streams` keeps each stream's name once; events refer to it by number. `position` is the rowid: SQLite gives
/// the next one inside the write transaction, so positions follow commit order and a rolled back append leaves no
/// hole. Metadata that nobody set is NULL and takes a byte.
///
/// Every name begins with `factum_`: projections have their tables in the same file.
const FIRST: &str = "
CREATE TABLE factum_schema (version INTEGER NOT NULL) STRICT;

CREATE TABLE factum_streams (
    id INTEGER PRIMARY KEY,
    category TEXT NOT NULL,
    key TEXT NOT NULL,
    UNIQUE (category, key)
) STRICT;

CREATE TABLE factum_events (
    position INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    version INTEGER NOT NULL,
    name TEXT NOT NULL,
    schema INTEGER NOT NULL,
    id BLOB NOT NULL,
    recorded_at INTEGER NOT NULL,
    correlation BLOB,
    causation BLOB,
    custom TEXT,
    payload TEXT NOT NULL,
    UNIQUE (stream, version)
) STRICT;

CREATE TABLE factum_checkpoints (
    projection TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    definition INTEGER NOT NULL,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Idempotency keys with what they led to, and one snapshot a stream.
const KEYS_AND_SNAPSHOTS: &str = "
CREATE TABLE factum_keys (
    stream INTEGER NOT NULL,
    key TEXT NOT NULL,
    before INTEGER NOT NULL,
    version INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (stream, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE factum_snapshots (
    stream INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    position INTEGER NOT NULL,
    taken_at INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    state BLOB NOT NULL
) STRICT;
";

/// Who runs what, and which events a projection has gone on without.
const LEASES_AND_DEAD_LETTERS: &str = "
CREATE TABLE factum_leases (
    name TEXT PRIMARY KEY,
    holder BLOB NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE factum_dead_letters (
    projection TEXT NOT NULL,
    position INTEGER NOT NULL,
    error TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    set_aside_at INTEGER NOT NULL,
    PRIMARY KEY (projection, position)
) STRICT, WITHOUT ROWID;
";

/// How far each part of a view has come that several workers share: a row a part, numbered from 0; none, if it is one, whose
/// position is its checkpoint's. What the `init` of a projection has made. And which view is being made anew, in a file beside
/// this one that has the same id.
const PARTS_AND_REBUILDS: &str = "
CREATE TABLE factum_parts (
    projection TEXT NOT NULL,
    part INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (projection, part)
) STRICT, WITHOUT ROWID;

CREATE TABLE factum_objects (
    projection TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (projection, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE factum_rebuilds (
    projection TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    definition INTEGER NOT NULL,
    id BLOB NOT NULL
) STRICT, WITHOUT ROWID;
";

/// What a file has in it.
pub(super) enum Found {
    /// No tables at all.
    Nothing,
    /// A store, with tables of this version.
    Store { version: i64 },
    /// Tables, but no store's.
    Foreign { table: String },
}

pub(super) fn inspect(connection: &Connection) -> rusqlite::Result<Found> {
    let table = connection
        .query_row(
            "SELECT name FROM sqlite_schema ORDER BY name = 'factum_schema' DESC, name LIMIT 1",
            (),
            |row| row.get::<_, String>(0),
        )
        .optional()?;
    match table {
        None => Ok(Found::Nothing),
        Some(ours) if ours == "factum_schema" => {
            let version =
                connection.query_row("SELECT version FROM factum_schema", (), |row| row.get(0)).optional()?;
            // Tables and version are written in one transaction: a store without a version is not one of ours.
            Ok(version.map_or(Found::Foreign { table: ours }, |version| Found::Store { version }))
        }
        Some(table) => Ok(Found::Foreign { table }),
    }
}

/// A table of the program's own, in its file or for the time of its connection, whose name is one of the store's. If there is
/// a store by now, as another process was faster, the tables in the file are the store's.
pub(super) fn in_the_way(connection: &Connection) -> rusqlite::Result<Option<String>> {
    connection
        .query_row(
            "SELECT name FROM sqlite_temp_schema WHERE substr(lower(name), 1, 7) = 'factum_'
             UNION ALL
             SELECT name FROM sqlite_schema WHERE substr(lower(name), 1, 7) = 'factum_'
             AND NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'factum_schema')
             LIMIT 1",
            (),
            |row| row.get(0),
        )
        .optional()
}

/// Brings the tables to the present version, from whatever version they are at, or from nothing; unless another process
/// was faster. All of it or, on an error, nothing.
pub(super) fn bring_up_to_date(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = match inspect(&transaction)? {
        Found::Store { version } => version,
        // Whose tables else are in the file has been asked before.
        Found::Nothing | Found::Foreign { .. } => 0,
    };
    if found < VERSION {
        for step in STEPS.iter().skip(usize::try_from(found).unwrap_or_default()) {
            transaction.execute_batch(step)?;
        }
        transaction.execute("DELETE FROM factum_schema", ())?;
        transaction.execute("INSERT INTO factum_schema (version) VALUES (?1)", [VERSION])?;
    }
    transaction.commit()
}

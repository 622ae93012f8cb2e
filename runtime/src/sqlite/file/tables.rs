//! The tables of a store's file.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use uuid::Uuid;

use crate::domain::new_id::new_id;
use crate::sqlite::file::busy::wait_for_lock;

/// The version of the tables below. A newer factum has written a file with a greater version.
pub(crate) const VERSION: i64 = 7;

/// The statements that lead from each version to the next, beginning with an empty file.
///
/// Files of all versions are in use: steps are only added, never changed.
const STEPS: [&str; 7] = [
    FIRST,
    KEYS_AND_SNAPSHOTS,
    LEASES_AND_DEAD_LETTERS,
    PARTS_AND_REBUILDS,
    IDENTITIES_AND_CHECKSUMS,
    PROCESSES,
    TIMERS,
];

/// Streams, events and checkpoints.
///
/// `factum_streams` keeps each stream's name once; events refer to it by number. `position` is the rowid:
/// SQLite gives the next one inside the write transaction. So positions follow the commit order, and an
/// append that is rolled back leaves no gap. Metadata that is not set is NULL and takes one byte.
///
/// Every table's name begins with `factum_`, as projections have their tables in the same file.
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

/// Idempotency keys with their outcomes, and one snapshot per stream.
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

/// Leases, and the dead letters of followers.
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

/// Partitions, the objects of projections, and rebuilds.
///
/// * `factum_parts`: the position of each partition, numbered from 0. A single partition has no row, as its
///   position is in the checkpoint.
/// * `factum_objects`: the names of the tables, indexes, views and triggers that a projection has created.
/// * `factum_rebuilds`: the rebuild under way of each view. The file in which the view is rebuilt has the
///   same id.
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

/// What tells one store, event or command from another, and a damaged event from a whole one.
///
/// A row that an earlier factum has written has NULL in these columns, which means: not known.
///
/// * `factum_store`: one row with the id that the store was made with. Copies of the file have the same id.
/// * `factum_events.checksum`: see `sqlite/store/checksum.rs`.
/// * `factum_checkpoints.store`: the id of the store whose events the follower has seen.
/// * `event` of `factum_checkpoints` and `factum_parts`: the id of the event at the stored position. A program
///   of an earlier factum that still has the file open moves a partition and leaves `event`: a trigger clears it.
/// * `factum_snapshots.event`: the id of the newest event in the state.
/// * `factum_keys.command`, `shape` and `content`: the name of the key's command, and hashes of its shape and content.
/// * `factum_keys.structs`: the structs in the command, 8 bytes each; NULL if there are none.
/// * `factum_keys.checksum`: see `store/keys.rs`.
const IDENTITIES_AND_CHECKSUMS: &str = "
CREATE TABLE factum_store (id BLOB NOT NULL) STRICT;

ALTER TABLE factum_events ADD COLUMN checksum INTEGER;

ALTER TABLE factum_checkpoints ADD COLUMN store BLOB;
ALTER TABLE factum_checkpoints ADD COLUMN event BLOB;
ALTER TABLE factum_parts ADD COLUMN event BLOB;
CREATE TRIGGER factum_parts_moved AFTER UPDATE OF position ON factum_parts
WHEN NEW.position <> OLD.position AND NEW.event IS OLD.event
BEGIN
    UPDATE factum_parts SET event = NULL WHERE projection = NEW.projection AND part = NEW.part;
END;

ALTER TABLE factum_snapshots ADD COLUMN event BLOB;

ALTER TABLE factum_keys ADD COLUMN command TEXT;
ALTER TABLE factum_keys ADD COLUMN content INTEGER;
ALTER TABLE factum_keys ADD COLUMN shape INTEGER;
ALTER TABLE factum_keys ADD COLUMN structs BLOB;
ALTER TABLE factum_keys ADD COLUMN checksum INTEGER;

ALTER TABLE factum_dead_letters ADD COLUMN stream TEXT;

CREATE INDEX factum_sequenced_letters ON factum_dead_letters (projection, stream, position)
WHERE stream IS NOT NULL;

CREATE TABLE factum_discarded (
    projection TEXT NOT NULL,
    position INTEGER NOT NULL,
    error TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    failed_at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    discarded_at INTEGER NOT NULL,
    PRIMARY KEY (projection, position)
) STRICT, WITHOUT ROWID;
";

/// Processes: their instances, and what these send and wait for.
///
/// `held` is 1 in the rows of an instance that a dead letter holds. Partial indexes leave these rows out, so that a look for
/// something to do does not meet them.
///
/// * `factum_process_instances`: the state as JSON, with the fingerprint of its shape; NULL once the instance is done. The row of
///   an instance that is done stays: later events start nothing. `held` is 2 from when an instance is released until it is saved.
/// * `factum_process_commands`: the commands that wait to be sent, each with its idempotency key, and the category of the aggregate
///   that the process has named for it. No two ever have one `id`: a
///   runner may have lost its lease, and know of one that is gone.
/// * `factum_process_timeouts`: the time-outs that are set, each with an id that the keys of its commands have.
/// * `factum_process_waiting`: the positions of events that wait for their instances.
/// * `factum_process_letters`: the dead letters. `reference` is an event's position or a command's id.
/// * `factum_process_history`: what has happened to each instance. `position` is that of an event, `detail` a time-out's JSON,
///   a refusal, an error, a reason, or a command's key.
const PROCESSES: &str = "
CREATE TABLE factum_process_instances (
    process TEXT NOT NULL,
    instance TEXT NOT NULL,
    fingerprint INTEGER NOT NULL,
    state TEXT,
    done_at INTEGER,
    held INTEGER NOT NULL,
    PRIMARY KEY (process, instance)
) STRICT, WITHOUT ROWID;

CREATE TABLE factum_process_commands (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    process TEXT NOT NULL,
    instance TEXT NOT NULL,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    aggregate TEXT,
    version INTEGER NOT NULL,
    payload TEXT NOT NULL,
    cause BLOB NOT NULL,
    correlation BLOB NOT NULL,
    held INTEGER NOT NULL
) STRICT;
CREATE INDEX factum_process_commands_free ON factum_process_commands (process) WHERE held = 0;
CREATE INDEX factum_process_commands_held ON factum_process_commands (process, instance) WHERE held = 1;

CREATE TABLE factum_process_timeouts (
    process TEXT NOT NULL,
    instance TEXT NOT NULL,
    name TEXT NOT NULL,
    due INTEGER NOT NULL,
    id BLOB NOT NULL,
    version INTEGER NOT NULL,
    payload TEXT NOT NULL,
    cause BLOB NOT NULL,
    correlation BLOB NOT NULL,
    held INTEGER NOT NULL,
    PRIMARY KEY (process, instance, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX factum_process_timeouts_due ON factum_process_timeouts (process, due) WHERE held = 0;

CREATE TABLE factum_process_waiting (
    process TEXT NOT NULL,
    instance TEXT NOT NULL,
    position INTEGER NOT NULL,
    held INTEGER NOT NULL,
    PRIMARY KEY (process, instance, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX factum_process_waiting_free ON factum_process_waiting (process, position) WHERE held = 0;

CREATE TABLE factum_process_letters (
    process TEXT NOT NULL,
    instance TEXT NOT NULL,
    kind INTEGER NOT NULL,
    reference INTEGER NOT NULL,
    name TEXT NOT NULL,
    error TEXT NOT NULL,
    failed_at INTEGER NOT NULL,
    PRIMARY KEY (process, instance)
) STRICT, WITHOUT ROWID;

CREATE TABLE factum_process_history (
    id INTEGER PRIMARY KEY,
    process TEXT NOT NULL,
    instance TEXT NOT NULL,
    kind INTEGER NOT NULL,
    name TEXT NOT NULL,
    at INTEGER NOT NULL,
    cause BLOB,
    position INTEGER,
    version INTEGER NOT NULL,
    detail TEXT
) STRICT;
CREATE INDEX factum_process_history_of ON factum_process_history (process, instance);
";

/// Timers: commands that are sent at a time.
///
/// `status` is 0 for a timer that waits, 1 for one whose command is being sent, 2 for a dead letter, and 3 for one that was
/// discarded. The row of a command that was sent is gone.
///
/// * `number` is never used again: a runner may have lost its lease, and know of a timer that is gone.
/// * `key` is that of one timer that waits, and of any number of others.
/// * `id` is a part of the command's idempotency key. It differs each time that a timer is set.
const TIMERS: &str = "
CREATE TABLE factum_timers (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    due INTEGER NOT NULL,
    id BLOB NOT NULL,
    command TEXT NOT NULL,
    version INTEGER NOT NULL,
    content TEXT NOT NULL,
    cause BLOB NOT NULL,
    correlation BLOB NOT NULL,
    status INTEGER NOT NULL,
    error TEXT,
    failed_at INTEGER,
    reason TEXT,
    discarded_at INTEGER
) STRICT;
CREATE UNIQUE INDEX factum_timers_waiting ON factum_timers (key) WHERE status = 0;
CREATE INDEX factum_timers_due ON factum_timers (due, number) WHERE status = 0;
CREATE INDEX factum_timers_taken ON factum_timers (due, number) WHERE status = 1;
CREATE INDEX factum_timers_failed ON factum_timers (due, number) WHERE status = 2;
CREATE INDEX factum_timers_discarded ON factum_timers (due, number) WHERE status = 3;
";

/// The content of a file.
pub(crate) enum FileContent {
    /// No tables.
    Nothing,
    /// A store, with tables of this version.
    Store { version: i64 },
    /// Tables, but no store.
    Foreign { table: String },
}

pub(crate) fn inspect(connection: &Connection) -> rusqlite::Result<FileContent> {
    let table = connection
        .query_row(
            "SELECT name FROM sqlite_schema ORDER BY name = 'factum_schema' DESC, name LIMIT 1",
            (),
            |row| row.get::<_, String>(0),
        )
        .optional()?;
    match table {
        None => Ok(FileContent::Nothing),
        Some(ours) if ours == "factum_schema" => {
            let version =
                connection.query_row("SELECT version FROM factum_schema", (), |row| row.get(0)).optional()?;
            // factum writes tables and version in one transaction, so a table without a version is not
            // factum's.
            Ok(version.map_or(FileContent::Foreign { table: ours }, |version| FileContent::Store { version }))
        }
        Some(table) => Ok(FileContent::Foreign { table }),
    }
}

/// A table of the program, in the file or temporary, whose name is reserved for the store.
///
/// If another process has created the store in the meantime, the tables in the file are the store's.
pub(crate) fn in_the_way(connection: &Connection) -> rusqlite::Result<Option<String>> {
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

/// Brings the tables to the present version, from any earlier version or from an empty file.
///
/// An error changes nothing. If another process was faster, there is nothing to do. `patience` is how long this waits for
/// another process that writes.
pub(crate) fn bring_up_to_date(connection: &Connection, patience: Duration) -> rusqlite::Result<()> {
    let begin = |connection| Transaction::new_unchecked(connection, TransactionBehavior::Immediate);
    let transaction = wait_for_lock(connection, patience, begin)?;
    let found = match inspect(&transaction)? {
        FileContent::Store { version } => version,
        // The caller has checked the file for tables of other programs.
        FileContent::Nothing | FileContent::Foreign { .. } => 0,
    };
    if found < VERSION {
        for step in STEPS.iter().skip(usize::try_from(found).unwrap_or_default()) {
            transaction.execute_batch(step)?;
        }
        transaction.execute("DELETE FROM factum_schema", ())?;
        transaction.execute("INSERT INTO factum_schema (version) VALUES (?1)", [VERSION])?;
        transaction.execute(
            "INSERT INTO factum_store (id) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM factum_store)",
            [new_id().as_bytes()],
        )?;
    }
    transaction.commit()
}

/// The id that the store was made with. All copies of the file have it.
pub(crate) fn store_id(connection: &Connection) -> rusqlite::Result<Uuid> {
    connection.query_row("SELECT id FROM factum_store", (), |row| row.get(0)).map(Uuid::from_bytes)
}

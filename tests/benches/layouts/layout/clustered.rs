//! Events of a stream lie beside each other. Positions are an index, and the store has to count them: without a rowid
//! SQLite gives none.

use super::{Layout, today};

pub(crate) const LAYOUT: Layout = Layout {
    name: "4 clustered by stream",
    tables: "
        CREATE TABLE streams (
            id INTEGER PRIMARY KEY,
            category TEXT NOT NULL,
            key TEXT NOT NULL,
            UNIQUE (category, key)
        ) STRICT;
        CREATE TABLE events (
            stream INTEGER NOT NULL,
            version INTEGER NOT NULL,
            position INTEGER NOT NULL UNIQUE,
            name TEXT NOT NULL,
            schema INTEGER NOT NULL,
            id BLOB NOT NULL,
            recorded_at INTEGER NOT NULL,
            correlation BLOB,
            causation BLOB,
            custom TEXT,
            payload TEXT NOT NULL,
            PRIMARY KEY (stream, version)
        ) STRICT, WITHOUT ROWID;",
    newest_position: Some("SELECT coalesce(max(position), 0) FROM events"),
    insert: "INSERT INTO events
             (stream, version, name, schema, id, recorded_at, payload, correlation, causation, custom, position)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    ..today::LAYOUT
};

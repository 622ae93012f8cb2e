//! The table of streams says how far each one is. An append looks that up in one place, and has one more to write.

use super::{Layout, Streams, today};

pub(crate) const LAYOUT: Layout = Layout {
    name: "5 version kept in streams",
    tables: "
        CREATE TABLE streams (
            id INTEGER PRIMARY KEY,
            version INTEGER NOT NULL,
            category TEXT NOT NULL,
            key TEXT NOT NULL,
            UNIQUE (category, key)
        ) STRICT;
        CREATE TABLE events (
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
        ) STRICT;",
    streams: Streams::Numbered {
        find: "SELECT id, version FROM streams WHERE category = ?1 AND key = ?2",
        register: "INSERT INTO streams (category, key, version) VALUES (?1, ?2, ?3)",
        advance: Some("UPDATE streams SET version = ?2 WHERE id = ?1"),
    },
    // Both tables have a column of that name.
    scan: "SELECT position, events.version, name, schema, events.id, recorded_at, payload, correlation, causation,
           custom, category, key
           FROM events LEFT JOIN streams ON streams.id = stream
           WHERE position > ?1 ORDER BY position LIMIT ?2",
    ..today::LAYOUT
};

//! All metadata is one text.

use super::{Layout, Metadata, today};

pub(crate) const LAYOUT: Layout = Layout {
    name: "6 metadata as JSON, NULL",
    tables: "
        CREATE TABLE streams (
            id INTEGER PRIMARY KEY,
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
            metadata TEXT,
            payload TEXT NOT NULL,
            UNIQUE (stream, version)
        ) STRICT;",
    metadata: Metadata::Json { set: false },
    insert: "INSERT INTO events (stream, version, name, schema, id, recorded_at, payload, metadata)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    load: "SELECT position, version, name, schema, id, recorded_at, payload, metadata
           FROM events WHERE stream = (SELECT id FROM streams WHERE category = ?1 AND key = ?2)
           AND version > ?3 ORDER BY version LIMIT ?4",
    scan: "SELECT position, version, name, schema, events.id, recorded_at, payload, metadata, category, key
           FROM events LEFT JOIN streams ON streams.id = stream
           WHERE position > ?1 ORDER BY position LIMIT ?2",
    ..today::LAYOUT
};

pub(crate) const SET: Layout =
    Layout { name: "6 metadata as JSON, set", metadata: Metadata::Json { set: true }, ..LAYOUT };

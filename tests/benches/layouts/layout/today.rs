//! What the store has: events by rowid, which is the position; streams by number; metadata in columns of its own.

use super::{Layout, Metadata, Names, Streams};

pub(crate) const LAYOUT: Layout = Layout {
    name: "1 today's",
    page_size: 4096,
    mapped: 0,
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
            correlation BLOB,
            causation BLOB,
            custom TEXT,
            payload TEXT NOT NULL,
            UNIQUE (stream, version)
        ) STRICT;",
    streams: Streams::Numbered {
        find: "SELECT id, (SELECT max(version) FROM events WHERE stream = streams.id)
               FROM streams WHERE category = ?1 AND key = ?2",
        register: "INSERT INTO streams (category, key) VALUES (?1, ?2)",
        advance: None,
    },
    names: Names::Text,
    metadata: Metadata::Columns { set: false },
    newest_position: None,
    insert: "INSERT INTO events
             (stream, version, name, schema, id, recorded_at, payload, correlation, causation, custom)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    load: "SELECT position, version, name, schema, id, recorded_at, payload, correlation, causation, custom
           FROM events WHERE stream = (SELECT id FROM streams WHERE category = ?1 AND key = ?2)
           AND version > ?3 ORDER BY version LIMIT ?4",
    scan: "SELECT position, version, name, schema, events.id, recorded_at, payload, correlation, causation, custom,
           category, key
           FROM events LEFT JOIN streams ON streams.id = stream
           WHERE position > ?1 ORDER BY position LIMIT ?2",
};

/// The same with other settings.
pub(crate) const AGAIN: Layout = Layout { name: "1 again (how far noise goes)", ..LAYOUT };
pub(crate) const WITH_METADATA: Layout =
    Layout { name: "1 with two BLOBs set", metadata: Metadata::Columns { set: true }, ..LAYOUT };
pub(crate) const PAGES_OF_8192: Layout = Layout { name: "7 pages of 8,192", page_size: 8192, ..LAYOUT };
pub(crate) const PAGES_OF_16384: Layout = Layout { name: "7 pages of 16,384", page_size: 16_384, ..LAYOUT };
/// No layout, but another remedy for what lies far apart.
pub(crate) const MAPPED: Layout = Layout { name: "1 with the file mapped", mapped: 1 << 30, ..LAYOUT };

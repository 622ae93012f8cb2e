//! One table and no other: each event has its stream's name, and so has the index.

use super::{Layout, Streams, today};

pub(crate) const LAYOUT: Layout = Layout {
    name: "3 stream as text",
    tables: "
        CREATE TABLE events (
            position INTEGER PRIMARY KEY,
            stream TEXT NOT NULL,
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
    streams: Streams::Text { find: "SELECT max(version) FROM events WHERE stream = ?1" },
    load: "SELECT position, version, name, schema, id, recorded_at, payload, correlation, causation, custom
           FROM events WHERE stream = ?1 AND version > ?2 ORDER BY version LIMIT ?3",
    scan: "SELECT position, version, name, schema, id, recorded_at, payload, correlation, causation, custom, stream
           FROM events WHERE position > ?1 ORDER BY position LIMIT ?2",
    ..today::LAYOUT
};

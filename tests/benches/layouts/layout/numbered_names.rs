//! Names of events are numbers too. They are the same few for the whole life of a file.

use super::{Layout, Names, today};

pub(crate) const LAYOUT: Layout = Layout {
    name: "2 names interned",
    tables: "
        CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
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
            name INTEGER NOT NULL,
            schema INTEGER NOT NULL,
            id BLOB NOT NULL,
            recorded_at INTEGER NOT NULL,
            correlation BLOB,
            causation BLOB,
            custom TEXT,
            payload TEXT NOT NULL,
            UNIQUE (stream, version)
        ) STRICT;",
    names: Names::Numbered,
    ..today::LAYOUT
};

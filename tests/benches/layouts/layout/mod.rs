//! The ways to lay out events in tables.

mod clustered;
mod json_metadata;
mod kept_version;
mod numbered_names;
mod text_streams;
mod today;

/// What all others are compared with comes first.
pub(crate) const LAYOUTS: [Layout; 12] = [
    today::LAYOUT,
    today::AGAIN,
    numbered_names::LAYOUT,
    text_streams::LAYOUT,
    clustered::LAYOUT,
    kept_version::LAYOUT,
    json_metadata::LAYOUT,
    today::WITH_METADATA,
    json_metadata::SET,
    today::PAGES_OF_8192,
    today::PAGES_OF_16384,
    today::MAPPED,
];

/// Statements take parameters by number, and those of the same kind the same ones in every layout.
pub(crate) struct Layout {
    pub(crate) name: &'static str,
    pub(crate) page_size: u32,
    /// How many bytes of the file SQLite may read without a copy of its own.
    pub(crate) mapped: u32,
    pub(crate) tables: &'static str,
    pub(crate) streams: Streams,
    pub(crate) names: Names,
    pub(crate) metadata: Metadata,
    /// The newest position, where SQLite does not give the next one by itself.
    pub(crate) newest_position: Option<&'static str>,
    /// 1 stream, 2 version, 3 name, 4 schema, 5 id, 6 time, 7 payload, 8 and on the metadata, 11 position.
    pub(crate) insert: &'static str,
    /// 1 stream, or 1 and 2 its category and key; then the version to begin after, and the limit.
    pub(crate) load: &'static str,
    /// 1 position to begin after, 2 limit. Gives the stream in its last columns.
    pub(crate) scan: &'static str,
}

/// How events refer to their stream.
#[derive(Clone, Copy)]
pub(crate) enum Streams {
    /// By a number that stands for category and key.
    Numbered {
        /// 1 category, 2 key; gives number and version.
        find: &'static str,
        /// 1 category, 2 key; 3 the version that the stream gets, if it is kept.
        register: &'static str,
        /// 1 number, 2 the version after the append, if it is kept.
        advance: Option<&'static str>,
    },
    /// By name.
    Text {
        /// 1 stream; gives its version, or NULL.
        find: &'static str,
    },
}

/// How events refer to their name.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Names {
    Text,
    /// By a number from a small table, which is held in memory.
    Numbered,
}

/// Where metadata is, and whether there is any.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Metadata {
    /// Ids of 16 bytes, and a text for what the application adds.
    Columns {
        set: bool,
    },
    Json {
        set: bool,
    },
}

impl Metadata {
    /// How many columns it has.
    pub(crate) fn columns(self) -> usize {
        match self {
            Self::Columns { .. } => 3,
            Self::Json { .. } => 1,
        }
    }
}

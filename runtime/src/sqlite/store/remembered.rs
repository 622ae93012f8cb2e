//! What a store remembers of its file, so that an append need not look it up.
//!
//! The file decides: an append compares what it relies on, in its own transaction. So what is remembered here may be
//! wrong, as after another process has written or a transaction was rolled back.

use std::sync::Arc;

use rusqlite::Connection;
use uuid::Uuid;

use crate::sqlite::store::checksum::StreamHash;
use crate::sqlite::store::known_streams::KnownStreams;

/// How many streams are remembered, each in the slot that its hash determines.
const STREAMS: u16 = 1_024;

/// How many commits look first, after another process has appended.
const PAUSE: u32 = 64;

pub(super) struct Remembered {
    /// The position of the newest event.
    newest: Option<i64>,
    /// How many more commits do not rely on it.
    pause: u32,
    /// Streams by their names' hashes, with their numbers. Empty until the first one.
    streams: Vec<(StreamHash, i64)>,
    known_streams: Option<Arc<KnownStreams>>,
    /// The greatest number that the present transaction has given to a stream; 0 if there is none.
    newest_stream: i64,
}

impl Remembered {
    pub(super) fn new(known_streams: Option<Arc<KnownStreams>>) -> Self {
        Self { newest: None, pause: 0, streams: Vec::new(), known_streams, newest_stream: 0 }
    }

    /// A transaction begins.
    pub(super) fn begin(&mut self) {
        self.newest_stream = 0;
    }

    /// Reads what it may not remember, in a transaction that has begun.
    pub(super) fn learn(&self, transaction: &Connection) {
        if let Some(known_streams) = &self.known_streams {
            known_streams.learn(transaction);
        }
    }

    /// The transaction has given a new stream a number.
    pub(super) fn registered(&mut self, hash: StreamHash, number: i64) {
        self.newest_stream = number;
        if let Some(known_streams) = &self.known_streams {
            known_streams.add(hash);
        }
    }

    /// The position of the newest event, unless another process is likely to have appended since.
    pub(super) fn newest(&self) -> Option<i64> {
        if self.pause == 0 { self.newest } else { None }
    }

    /// The transaction is committed, and has stored the event with this position and id as the newest one.
    pub(super) fn stored(&mut self, newest: i64, id: Uuid) {
        self.pause = self.pause.saturating_sub(1);
        self.newest = Some(newest);
        if let Some(known_streams) = &self.known_streams {
            known_streams.committed(self.newest_stream, (newest, id));
        }
    }

    /// What was remembered was wrong.
    pub(super) fn was_wrong(&mut self) {
        self.pause = PAUSE;
    }

    /// The number of the stream whose name has this hash. Another stream may have the hash as well.
    pub(super) fn stream(&self, hash: StreamHash) -> Option<i64> {
        self.streams.get(hash.slot(STREAMS)).filter(|(known, _)| *known == hash).map(|(_, number)| *number)
    }

    pub(super) fn add_stream(&mut self, hash: StreamHash, number: i64) {
        if self.streams.is_empty() {
            self.streams.resize(STREAMS.into(), (hash, number));
        }
        if let Some(slot) = self.streams.get_mut(hash.slot(STREAMS)) {
            *slot = (hash, number);
        }
    }
}

//! Which streams the file may have, so that a command on a new aggregate need not look.
//!
//! A read of the file for each new aggregate costs as much as half of its command: the last commit has made the pages
//! in a reader's cache invalid. So the store keeps a hash of each stream's name, and knows up to which commit it has
//! them all. If the log's index still names that commit, a stream without its hash does not exist at that moment.
//!
//! * Commits of other processes change the index. Then the file is read, and the names of newer streams are added.
//! * An older copy of the file, put in its place, may have other streams with numbers that were seen. Whether the file
//!   still has the last event that was seen tells.
//! * A stream of this process is added before its commit. A hash without a stream only costs a look at the file.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use hashbrown::HashTable;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior};
use uuid::Uuid;

use crate::domain::stream_name::StreamName;
use crate::sqlite::file::log_index::{self, Header, LogIndex};
use crate::sqlite::store::checksum::StreamHash;
use crate::store::lock::lock;

/// More streams than these are not kept: five MiB.
const MOST: usize = (1 << 20) / 8 * 7;

/// How many names one read adds. The first reads of a large file are no longer than this, each for one command.
const CHUNK: usize = 512;

/// How many looks at the file pass before the names are read first, and again if they were of no use.
const PAUSE: u32 = 64;

/// The streams that the file may have.
pub(super) struct KnownStreams {
    path: PathBuf,
    index: OnceLock<LogIndex>,
    known: Mutex<Known>,
}

struct Known {
    /// Half of each hash: at most one of five thousand other streams is taken for a known one.
    hashes: HashTable<u32>,
    /// The header of the log's index after the last commit whose streams are all known.
    at: Option<Header>,
    /// Goes up with each read. A transaction that began before has added its streams to what the read has replaced.
    reads: u64,
    /// The streams up to this number are known, as the file had them when its newest event was this one.
    until: (i64, Option<LastEvent>),
    /// How many looks at the file pass before the next read.
    pause: u32,
    /// How many looks the hashes have saved since the last read.
    saved: u32,
    is_full: bool,
}

/// The position and id of an event.
pub(super) type LastEvent = (i64, Uuid);

impl KnownStreams {
    pub(super) fn new(path: &Path) -> Self {
        let known = Known {
            hashes: HashTable::new(),
            at: None,
            reads: 0,
            until: (0, None),
            pause: PAUSE,
            saved: 0,
            is_full: false,
        };
        Self { path: path.to_owned(), index: OnceLock::new(), known: Mutex::new(known) }
    }

    /// Whether the file certainly has no stream with this hash, at a moment during the call.
    pub(super) fn lack(&self, stream: StreamHash) -> bool {
        let at = {
            let mut known = lock(&self.known);
            let Some(at) = known.at.filter(|_| !known.has(stream.short())) else { return false };
            known.saved = known.saved.saturating_add(1);
            at
        };
        self.header() == Some(at)
    }

    /// Reads some of the streams that are not known. The caller has just looked for one in vain.
    pub(super) fn read(&self, connection: &Connection) {
        let until = {
            let mut known = lock(&self.known);
            if known.is_full || known.pause > 0 {
                known.pause = known.pause.saturating_sub(1);
                return;
            }
            known.until
        };
        let Some(header) = self.header() else { return };
        // If it can't be read, commands look for their streams as before.
        if let Ok(found) = Found::read(connection, until) {
            lock(&self.known).take(&found, until, header);
        }
    }

    /// A transaction has begun. Returns what its streams are added to; `None` if they need not be.
    pub(super) fn begin(&self) -> Option<u64> {
        let known = lock(&self.known);
        known.at.is_some().then_some(known.reads)
    }

    /// The transaction is about to commit this new stream.
    pub(super) fn add(&self, stream: StreamHash, begun: Option<u64>) {
        let mut known = lock(&self.known);
        if begun == Some(known.reads) {
            known.insert(stream.short());
        }
    }

    /// The transaction has committed events up to this one, and streams up to this number; 0 if there are none.
    pub(super) fn committed(&self, begun: Option<u64>, newest_stream: i64, last: LastEvent) {
        if begun.is_none() {
            return;
        }
        let header = self.header();
        let mut known = lock(&self.known);
        // What a read has found since is of before the commit, or of after it.
        if begun != Some(known.reads) {
            return;
        }
        // No other commit came between.
        let is_next = is_next(header.as_ref(), known.at.as_ref());
        known.at = header.filter(|_| is_next);
        if is_next {
            known.until = (known.until.0.max(newest_stream), Some(last));
        }
    }

    /// The transaction has committed no streams, or has written nothing.
    pub(super) fn passed(&self, begun: Option<u64>) {
        if begun.is_none() {
            return;
        }
        let header = self.header();
        let mut known = lock(&self.known);
        // As in `committed`.
        if begun == Some(known.reads) && header != known.at {
            let is_next = is_next(header.as_ref(), known.at.as_ref());
            known.at = header.filter(|_| is_next);
        }
    }

    fn header(&self) -> Option<Header> {
        self.index.get_or_init(|| LogIndex::of(&self.path)).header()
    }
}

/// Whether one commit led from one header to the other.
fn is_next(after: Option<&Header>, before: Option<&Header>) -> bool {
    let numbers = after.and_then(log_index::commit).zip(before.and_then(log_index::commit));
    numbers.is_some_and(|(after, before)| before.wrapping_add(1) == after)
}

impl Known {
    fn has(&self, hash: u32) -> bool {
        self.hashes.find(spread(hash), |known| *known == hash).is_some()
    }

    fn insert(&mut self, hash: u32) {
        if self.hashes.len() >= MOST {
            (self.hashes, self.at, self.is_full) = (HashTable::new(), None, true);
            self.reads += 1;
        } else if !self.has(hash) {
            self.hashes.insert_unique(spread(hash), hash, |hash| spread(*hash));
        }
    }

    /// Takes what was read beyond `until`, after the index had this header.
    fn take(&mut self, found: &Found, until: (i64, Option<LastEvent>), header: Header) {
        if self.until != until {
            // Another thread was faster.
            return;
        }
        self.reads += 1;
        self.at = None;
        if found.is_other_file {
            self.hashes.clear();
        }
        found.hashes.iter().for_each(|hash| self.insert(*hash));
        self.until = found.until;
        if found.is_all && !self.is_full {
            self.at = Some(header);
            self.pause = if self.saved == 0 { PAUSE } else { 0 };
            self.saved = 0;
        }
    }
}

/// A hash for the table, of the half of a hash that the table has.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// What a read has found.
struct Found {
    hashes: Vec<u32>,
    until: (i64, Option<LastEvent>),
    is_all: bool,
    /// The file no longer has the last event that was seen, so all streams were read again.
    is_other_file: bool,
}

impl Found {
    fn read(connection: &Connection, seen: (i64, Option<LastEvent>)) -> rusqlite::Result<Self> {
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
        let is_there = match seen.1 {
            Some((position, id)) => {
                let mut select =
                    transaction.prepare_cached("SELECT id FROM factum_events WHERE position = ?1")?;
                let found = select.query_row([position], |row| row.get(0)).optional()?;
                found.map(Uuid::from_bytes) == Some(id)
            }
            None => seen.0 == 0,
        };
        let mut newest_stream = if is_there { seen.0 } else { 0 };
        let mut hashes = Vec::new();
        let mut rows = 0;
        {
            let mut select = transaction.prepare_cached(
                "SELECT id, category, key FROM factum_streams WHERE id > ?1 ORDER BY id LIMIT ?2",
            )?;
            let mut found = select.query((newest_stream, CHUNK))?;
            while let Some(row) = found.next()? {
                rows += 1;
                newest_stream = row.get(0)?;
                hashes.extend(hash_in(row)?);
            }
        }
        let last = transaction
            .prepare_cached("SELECT position, id FROM factum_events ORDER BY position DESC LIMIT 1")?
            .query_row((), |row| Ok((row.get(0)?, Uuid::from_bytes(row.get(1)?))))
            .optional()?;
        Ok(Self { hashes, until: (newest_stream, last), is_all: rows < CHUNK, is_other_file: !is_there })
    }
}

/// The hash of the stream in a row; `None` if its name is damaged: no append finds that one either.
fn hash_in(row: &Row<'_>) -> rusqlite::Result<Option<u32>> {
    let (category, key) = (row.get_ref(1)?, row.get_ref(2)?);
    let names = category.as_str().ok().zip(key.as_str().ok());
    Ok(names.map(|(category, key)| StreamHash::of(&StreamName::new(category, key)).short()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::store::SqliteStore;
    use crate::store::event_store::EventStore;

    /// Otherwise each look would be a read, and no other test would tell.
    #[cfg(unix)]
    #[test]
    fn a_store_learns_which_streams_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("store.db")).unwrap();
        let lacks = |store: &SqliteStore| store.lacks(&StreamName::new("a", "none")).unwrap();
        for number in 0..=PAUSE {
            assert!(!lacks(&store), "{number}");
            let version = store.stream_version(&StreamName::new("a", &number.to_string())).unwrap();
            assert_eq!(version, 0);
        }
        assert!(lacks(&store));
        let in_memory = SqliteStore::in_memory().unwrap();
        assert!(!lacks(&in_memory));
    }

    #[test]
    fn more_streams_than_fit_are_not_known() {
        let mut known = Known {
            hashes: HashTable::new(),
            at: Some([0; 48]),
            reads: 0,
            until: (0, None),
            pause: 0,
            saved: 0,
            is_full: false,
        };
        for number in 0..=u32::try_from(MOST).unwrap() {
            known.insert(number);
        }
        assert!(known.is_full && known.at.is_none());
        assert_eq!(known.hashes.capacity(), 0);
    }
}

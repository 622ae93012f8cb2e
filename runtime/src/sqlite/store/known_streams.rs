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
use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use crate::domain::stream_name::StreamName;
use crate::sqlite::file::log_index::{self, Header, LogIndex};
use crate::sqlite::store::checksum::StreamHash;
use crate::store::lock::lock;

/// More streams than these are not kept: five MiB.
const MOST: usize = (1 << 20) / 8 * 7;

/// How many names one read adds. It takes as long as some commands, and the first commands on a large file each wait for one.
const CHUNK: usize = 128;

/// How many looks at the file pass before the names are read again, if they were of no use.
const PAUSE: u32 = 64;

/// The streams that the file may have.
///
/// Only the thread with the connection that writes changes it, so each change is of one moment of the file.
pub(super) struct KnownStreams {
    path: PathBuf,
    index: OnceLock<LogIndex>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Half of each hash: at most one of five thousand other streams is taken for a known one.
    hashes: HashTable<u32>,
    /// The header of the log's index after the last commit whose streams are all known.
    at: Option<Header>,
    /// The streams up to this number are known, as the file had them when its newest event was this one.
    until: (i64, Option<LastEvent>),
    /// How many looks at the file have found no stream since the last read.
    looks: u32,
    /// How many of them pass before the next read.
    pause: u32,
    /// How many looks the hashes have saved since the last read.
    saved: u32,
    is_full: bool,
}

/// The position and id of an event.
pub(super) type LastEvent = (i64, Uuid);

impl KnownStreams {
    pub(super) fn new(path: &Path) -> Self {
        let known = Known::default();
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

    /// A look at the file has found no stream.
    pub(super) fn looked_in_vain(&self) {
        let looks = &mut lock(&self.known).looks;
        *looks = looks.saturating_add(1);
    }

    /// Reads some of the streams that are not known, if looks at the file are frequent. A write transaction has begun, so
    /// no commit comes between.
    pub(super) fn learn(&self, transaction: &Connection) {
        let until = {
            let known = lock(&self.known);
            if known.at.is_some() || known.is_full || known.looks <= known.pause {
                return;
            }
            known.until
        };
        // If they can't be read, commands look for their streams as before.
        if let Some(header) = self.header()
            && let Ok(found) = Found::read(transaction, until)
        {
            lock(&self.known).take(&found, header);
        }
    }

    /// A transaction is about to commit this new stream.
    pub(super) fn add(&self, stream: StreamHash) {
        let mut known = lock(&self.known);
        if known.at.is_some() {
            known.insert(stream.short());
        }
    }

    /// A transaction has committed events up to this one, and streams up to this number; 0 if there are none.
    pub(super) fn committed(&self, newest_stream: i64, last: LastEvent) {
        let mut known = lock(&self.known);
        if known.at.is_none() {
            return;
        }
        known.goes_on(self.header());
        if known.at.is_some() {
            known.until = (known.until.0.max(newest_stream), Some(last));
        }
    }

    /// A transaction has committed no streams, or has written nothing.
    pub(super) fn passed(&self) {
        let mut known = lock(&self.known);
        if known.at.is_none() {
            return;
        }
        let header = self.header();
        if header != known.at {
            known.goes_on(header);
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
        } else if !self.has(hash) {
            self.hashes.insert_unique(spread(hash), hash, |hash| spread(*hash));
        }
    }

    /// The index has this header after a commit whose streams are known.
    fn goes_on(&mut self, header: Option<Header>) {
        // No other commit came between.
        let is_next = is_next(header.as_ref(), self.at.as_ref());
        self.at = header.filter(|_| is_next);
    }

    /// Takes what was read beyond `until`, while the index had this header.
    fn take(&mut self, found: &Found, header: Header) {
        if found.is_other_file {
            self.hashes.clear();
        }
        found.hashes.iter().for_each(|hash| self.insert(*hash));
        self.until = found.until;
        self.looks = 0;
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
    fn read(transaction: &Connection, seen: (i64, Option<LastEvent>)) -> rusqlite::Result<Self> {
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
    use crate::domain::metadata::Metadata;
    use crate::domain::time::Timestamp;
    use crate::sqlite::store::SqliteStore;
    use crate::store::append::{Append, NewEvent};
    use crate::store::event_store::EventStore;

    fn append(store: &SqliteStore, stream: &StreamName) {
        let metadata = Metadata::default();
        let event = NewEvent {
            name: "e",
            event_version: 1,
            id: Uuid::from_u128(1),
            recorded_at: Timestamp::now(),
            metadata: &metadata,
            payload: "{}",
        };
        store.append(&[Append::new(stream, 0, &[event])]).unwrap();
    }

    /// Otherwise each look would be a read, and no other test would tell.
    #[cfg(unix)]
    #[test]
    fn a_store_learns_which_streams_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let other = SqliteStore::open(&path).unwrap();
        let stream = |number: usize| StreamName::new("a", &number.to_string());
        (0..CHUNK + 1).for_each(|number| append(&other, &stream(number)));
        let store = SqliteStore::open(&path).unwrap();
        let lacks = |name: &str| store.lacks(&StreamName::new("a", name)).unwrap();
        for new in ["first", "second"] {
            let name = StreamName::new("a", new);
            assert!(!lacks(new), "{new}");
            assert_eq!(store.stream_version(&name).unwrap(), 0);
            append(&store, &name);
        }
        assert!(lacks("third"));
        assert!(!lacks("first") && !lacks("0"));
        // Another process, in effect.
        append(&other, &StreamName::new("a", "third"));
        assert!(!lacks("third"));
        let in_memory = SqliteStore::in_memory().unwrap();
        assert!(!in_memory.lacks(&StreamName::new("a", "none")).unwrap());
    }

    #[test]
    fn more_streams_than_fit_are_not_known() {
        let mut known = Known { at: Some([0; 48]), ..Known::default() };
        for number in 0..=u32::try_from(MOST).unwrap() {
            known.insert(number);
        }
        assert!(known.is_full && known.at.is_none());
        assert_eq!(known.hashes.capacity(), 0);
    }
}

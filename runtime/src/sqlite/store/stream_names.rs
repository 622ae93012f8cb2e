//! A cache of stream names, for reads of all streams.

use std::mem;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use crate::domain::stream_name::StreamName;
use crate::sqlite::file::errors::store_error;
use crate::sqlite::store::checksum::StreamHash;
use crate::store::error::StoreError;

/// How many names are cached at most. As all numbers of places, a power of two.
const REMEMBERED: usize = 4_096;

/// For how many names there are places at first. A step of a follower mostly reads one event.
const FIRST_REMEMBERED: usize = 16;

/// How many bytes of names are cached at most. One name may be larger.
const REMEMBERED_BYTES: usize = 4 << 20;

/// How many names are read ahead at most.
const READ_AHEAD: usize = 256;

/// A name with its hash, or which column of it is damaged, and how.
type FoundName = Result<(StreamName, StreamHash), (&'static str, String)>;

/// Stream names by stream number, each in the slot that its number determines.
///
/// A name never changes, so the cache stays valid; a lookup is cheaper than a join for each event. Streams
/// are numbered in order of creation, so the next names are likely to be needed next.
#[derive(Debug)]
pub(super) struct StreamNames {
    known: Vec<Option<(i64, FoundName)>>,
    /// The bytes of the names that were cached.
    bytes: usize,
    ahead: usize,
}

impl StreamNames {
    pub(super) fn new() -> Self {
        Self { known: Vec::new(), bytes: 0, ahead: 1 }
    }

    /// The name of the stream with this number. An error names the event at `position`.
    pub(super) fn get(
        &mut self,
        connection: &Connection,
        stream: i64,
        position: i64,
    ) -> Result<(&StreamName, StreamHash), StoreError> {
        let mut place = self.place(stream);
        if !matches!(self.known.get(place), Some(Some((known, _))) if *known == stream) {
            self.read(connection, stream).map_err(store_error)?;
            place = self.place(stream);
        }
        match self.known.get(place) {
            Some(Some((known, Ok((name, hash))))) if *known == stream => Ok((name, *hash)),
            Some(Some((known, Err((column, problem))))) if *known == stream => {
                Err(StoreError::DamagedEvent { position, column, problem: problem.clone() })
            }
            _ => {
                let problem = "is missing: the stream has no name".to_owned();
                Err(StoreError::DamagedEvent { position, column: "category", problem })
            }
        }
    }

    /// Reads the name of this stream, and more names ahead each time: a caller that needs one name may not
    /// need many.
    fn read(&mut self, connection: &Connection, stream: i64) -> rusqlite::Result<()> {
        if self.bytes > REMEMBERED_BYTES {
            self.known.clear();
            self.bytes = 0;
        }
        self.make_room();
        let mut select = connection.prepare_cached(
            "SELECT id, category, key FROM factum_streams WHERE id >= ?1 ORDER BY id LIMIT ?2",
        )?;
        let mut rows = select.query((stream, self.ahead))?;
        while let Some(row) = rows.next()? {
            let number = row.get(0)?;
            // A name that is read ahead never replaces the requested one.
            if number == stream || self.place(number) != self.place(stream) {
                let name = name_in(row)?;
                self.bytes += name.as_ref().map_or(0, |(name, _)| name.as_str().len());
                self.put(number, name);
            }
            if self.bytes > REMEMBERED_BYTES {
                break;
            }
        }
        self.ahead = (self.ahead * 2).min(READ_AHEAD);
        Ok(())
    }

    /// Makes as many places as fit to what is read ahead.
    fn make_room(&mut self) {
        let wanted = (FIRST_REMEMBERED * self.ahead).min(REMEMBERED);
        if self.known.len() < wanted {
            let known = mem::take(&mut self.known);
            self.known.resize_with(wanted, || None);
            known.into_iter().flatten().for_each(|(stream, name)| self.put(stream, name));
        }
    }

    fn put(&mut self, stream: i64, name: FoundName) {
        let place = self.place(stream);
        if let Some(place) = self.known.get_mut(place) {
            *place = Some((stream, name));
        }
    }

    fn place(&self, stream: i64) -> usize {
        // The number of places is a power of two.
        let mask = (self.known.len() as u64).wrapping_sub(1);
        usize::try_from(stream.cast_unsigned() & mask).unwrap_or_default()
    }
}

fn name_in(row: &Row<'_>) -> rusqlite::Result<FoundName> {
    fn text<'r>(column: &'static str, value: ValueRef<'r>) -> Result<&'r str, (&'static str, String)> {
        value.as_str().map_err(|error| (column, error.to_string()))
    }
    let (category, key) = (text("category", row.get_ref(1)?), text("key", row.get_ref(2)?));
    Ok(category.and_then(|category| {
        let name = StreamName::new(category, key?);
        let hash = StreamHash::of(&name);
        Ok((name, hash))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a follower's step needs them, and as a catch-up does.
    #[test]
    fn as_many_names_are_remembered_as_are_read() {
        let connection = Connection::open_in_memory().unwrap();
        let many = 2 * i64::try_from(REMEMBERED).unwrap();
        connection
            .execute_batch(&format!(
                "CREATE TABLE factum_streams (id INTEGER PRIMARY KEY, category, key);
                 WITH RECURSIVE number (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM number WHERE id < {many})
                 INSERT INTO factum_streams SELECT id, 'c', CAST(id AS TEXT) FROM number"
            ))
            .unwrap();
        let mut names = StreamNames::new();
        names.get(&connection, 7, 1).unwrap();
        assert_eq!(names.known.len(), FIRST_REMEMBERED);
        for number in (1..=many).chain([7, many, 8]) {
            assert_eq!(names.get(&connection, number, 1).unwrap().0.key(), number.to_string());
        }
        assert_eq!(names.known.len(), REMEMBERED);
        assert!(names.get(&connection, -1, 1).is_err());
    }

    #[test]
    fn long_names_are_not_all_remembered() {
        let connection = Connection::open_in_memory().unwrap();
        let long = "x".repeat(1 << 20);
        connection
            .execute_batch("CREATE TABLE factum_streams (id INTEGER PRIMARY KEY, category, key)")
            .unwrap();
        for number in 1..=20 {
            let key = format!("{number}{long}");
            connection.execute("INSERT INTO factum_streams VALUES (?1, 'c', ?2)", (number, key)).unwrap();
        }
        let mut names = StreamNames::new();
        for number in (1..=20).chain([7, 1, 20]) {
            let (name, _) = names.get(&connection, number, 1).unwrap();
            assert_eq!(name.key(), format!("{number}{long}"));
            let held = names.known.iter().flatten().flat_map(|(_, name)| name);
            let bytes: usize = held.map(|(name, _)| name.as_str().len()).sum();
            assert!(bytes <= REMEMBERED_BYTES + (2 << 20), "{bytes} bytes");
        }
    }
}

//! The names of streams, for reads that go through all of them.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::failure::store_error;
use crate::error::StoreError;
use crate::id::StreamId;

/// How many names are known at most.
const KNOWN: u16 = 4_096;

/// How many names are read ahead at most.
const AHEAD: usize = 256;

/// A name, or which column of it is damaged, and how.
type Name = Result<StreamId, (&'static str, String)>;

/// Names by number, each in the place that its number gives it. A name never changes, so what is known stays true; finding it
/// here is cheaper than a join for each event. Streams are numbered as they come up, so the next names are likely to be
/// wanted next.
#[derive(Debug)]
pub(super) struct Names {
    known: Vec<Option<(i64, Name)>>,
    ahead: usize,
}

impl Names {
    pub(super) fn new() -> Self {
        Self { known: Vec::new(), ahead: 1 }
    }

    /// The name of the stream of this number, which the event at `position` stands in.
    pub(super) fn get(
        &mut self,
        connection: &Connection,
        stream: i64,
        position: i64,
    ) -> Result<&StreamId, StoreError> {
        let is_known = matches!(self.known.get(place(stream)), Some(Some((known, _))) if *known == stream);
        if !is_known {
            self.read(connection, stream).map_err(store_error)?;
        }
        match self.known.get(place(stream)) {
            Some(Some((known, Ok(name)))) if *known == stream => Ok(name),
            Some(Some((known, Err((column, problem))))) if *known == stream => {
                Err(StoreError::DamagedEvent { position, column, problem: problem.clone() })
            }
            _ => {
                let problem = "is missing: the stream has no name".to_owned();
                Err(StoreError::DamagedEvent { position, column: "category", problem })
            }
        }
    }

    /// Reads the name of this stream, and more ahead each time: who asks for one may not ask for many.
    fn read(&mut self, connection: &Connection, stream: i64) -> rusqlite::Result<()> {
        if self.known.is_empty() {
            self.known.resize_with(KNOWN.into(), || None);
        }
        let mut select = connection.prepare_cached(
            "SELECT id, category, key FROM factum_streams WHERE id >= ?1 ORDER BY id LIMIT ?2",
        )?;
        let mut rows = select.query((stream, self.ahead))?;
        while let Some(row) = rows.next()? {
            let number = row.get(0)?;
            // Never in place of the one that was asked for.
            if number == stream || place(number) != place(stream) {
                let name = name(row)?;
                if let Some(place) = self.known.get_mut(place(number)) {
                    *place = Some((number, name));
                }
            }
        }
        self.ahead = (self.ahead * 2).min(AHEAD);
        Ok(())
    }
}

fn place(stream: i64) -> usize {
    usize::try_from(stream.rem_euclid(KNOWN.into())).unwrap_or_default()
}

fn name(row: &Row<'_>) -> rusqlite::Result<Name> {
    fn text<'r>(column: &'static str, value: ValueRef<'r>) -> Result<&'r str, (&'static str, String)> {
        value.as_str().map_err(|error| (column, error.to_string()))
    }
    let (category, key) = (text("category", row.get_ref(1)?), text("key", row.get_ref(2)?));
    Ok(category.and_then(|category| Ok(StreamId::new(category, key?))))
}

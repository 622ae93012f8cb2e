//! The names of streams by number, which is cheaper than a join.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Mutex;

use tokio_postgres::{Error, Row};

use crate::domain::stream_name::StreamName;
use crate::postgres::server::names::unescaped;
use crate::postgres::store::rows;
use crate::postgres::store::unreadable;
use crate::store::error::StoreError;
use crate::store::lock::lock;

/// How many bytes of names are remembered at most.
const REMEMBERED_BYTES: usize = 8 << 20;

/// What a name takes besides its text, roughly.
const ENTRY_BYTES: usize = 96;

/// The names that readers have needed.
#[derive(Default)]
pub(super) struct StreamNames(Mutex<Known>);

#[derive(Default)]
struct Known {
    names: HashMap<i64, StreamName>,
    bytes: usize,
}

impl StreamNames {
    /// Forgets all names.
    pub(super) fn forget(&self) {
        *lock(&self.0) = Known::default();
    }

    /// The names of the streams that these events are in, and the numbers of those that are not known.
    pub(super) fn known(&self, rows: &[Row]) -> Result<(Names, Vec<i64>), StoreError> {
        let (mut names, mut missing) = (HashMap::new(), Vec::new());
        let known = lock(&self.0);
        for row in rows {
            let number = rows::stream(row)?;
            if let Entry::Vacant(entry) = names.entry(number) {
                match known.names.get(&number) {
                    Some(name) => drop(entry.insert(name.clone())),
                    None => missing.push(number),
                }
            }
        }
        drop(known);
        missing.sort_unstable();
        missing.dedup();
        Ok((Names(names), missing))
    }

    /// Adds the names in the rows of the statement for names.
    pub(super) fn add(&self, names: &mut Names, found: &[Row]) -> Result<(), StoreError> {
        let mut known = lock(&self.0);
        for row in found {
            let (number, name) = name_of(row).map_err(unreadable)?;
            if let Some(name) = name {
                known.add(number, &name);
                names.0.insert(number, name);
            }
        }
        Ok(())
    }
}

/// The names of the streams that the events of a page are in.
#[derive(Default)]
pub(super) struct Names(HashMap<i64, StreamName>);

impl Names {
    /// The name of the stream that an event is in.
    pub(super) fn of(&self, row: &Row) -> Result<&StreamName, StoreError> {
        let number = rows::stream(row)?;
        match self.0.get(&number) {
            Some(name) => Ok(name),
            None => Err(rows::nameless(rows::position(row)?, number)),
        }
    }
}

impl Known {
    fn add(&mut self, number: i64, name: &StreamName) {
        if self.bytes > REMEMBERED_BYTES {
            *self = Self::default();
        }
        self.bytes += name.as_str().len() + ENTRY_BYTES;
        self.names.insert(number, name.clone());
    }
}

/// The number and the name in a row; no name if factum does not write such a one.
fn name_of(row: &Row) -> Result<(i64, Option<StreamName>), Error> {
    let (category, key) = (unescaped(row.try_get(1)?), unescaped(row.try_get(2)?));
    let name = category.zip(key).map(|(category, key)| StreamName::new(&category, &key));
    Ok((row.try_get(0)?, name))
}

//! The names of streams by number, which is cheaper than a join.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Mutex;

use tokio_postgres::{Error, Row};

use crate::domain::stream_name::StreamName;
use crate::postgres::server::names::unescaped;
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

    /// The names of the streams with these numbers, of which `read` gets those that are not known.
    pub(super) fn of(
        &self,
        wanted: impl Iterator<Item = i64>,
        read: impl FnOnce(Vec<i64>) -> Result<Vec<Row>, StoreError>,
    ) -> Result<HashMap<i64, StreamName>, StoreError> {
        let (mut names, mut missing) = (HashMap::new(), Vec::new());
        {
            let known = lock(&self.0);
            for number in wanted {
                if let Entry::Vacant(entry) = names.entry(number) {
                    match known.names.get(&number) {
                        Some(name) => drop(entry.insert(name.clone())),
                        None => missing.push(number),
                    }
                }
            }
        }
        if missing.is_empty() {
            return Ok(names);
        }
        missing.sort_unstable();
        missing.dedup();
        let rows = read(missing)?;
        let mut known = lock(&self.0);
        for row in &rows {
            let (number, name) = name_of(row).map_err(|error| StoreError::Other(error.into()))?;
            if let Some(name) = name {
                known.add(number, &name);
                names.insert(number, name);
            }
        }
        Ok(names)
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

//! All idempotency keys: listed, and imported from another store.

use rusqlite::Connection;

use crate::domain::stream_name::StreamName;
use crate::sqlite::file::errors::store_error;
use crate::sqlite::file::handler_sql::own_sql;
use crate::sqlite::store::keys::{self, KeyRow};
use crate::store::error::{AppendError, StoreError};
use crate::store::stored_key::{StoredKey, VisitKey};

/// How many keys are read at a time.
const PAGE: usize = 1_024;

/// The number of a stream, and a key of it. A page begins after one.
pub(super) type KeyPlace = (i64, String);

/// A key that was read.
pub(super) struct ListedKey {
    place: KeyPlace,
    stream: StreamName,
    row: KeyRow,
}

/// Passes all keys to `visit`. `page` reads those after a place; the connection is free again when `visit` runs.
pub(super) fn visit(
    page: impl Fn(&KeyPlace) -> Result<Vec<ListedKey>, StoreError>,
    visit: &mut VisitKey<'_>,
) -> Result<(), StoreError> {
    let mut last = (0, String::new());
    loop {
        let keys = page(&last)?;
        let is_last = keys.len() < PAGE;
        for ListedKey { place, stream, row } in keys {
            let outcome = row.outcome(&stream, &place.1)?;
            if visit(&StoredKey::new(&stream, &place.1, &outcome)).is_break() {
                return Ok(());
            }
            last = place;
        }
        if is_last {
            return Ok(());
        }
    }
}

/// The keys after a place, in the order of streams and keys.
pub(super) fn page(connection: &Connection, after: &KeyPlace) -> Result<Vec<ListedKey>, StoreError> {
    let read = || {
        let mut select = connection.prepare_cached(
            "SELECT before, factum_keys.version, recorded_at, command, shape, content, checksum, structs,
             stream, factum_keys.key, category, factum_streams.key
             FROM factum_keys JOIN factum_streams ON stream = id
             WHERE (stream, factum_keys.key) > (?1, ?2) ORDER BY stream, factum_keys.key LIMIT ?3",
        )?;
        let keys = select.query_map((after.0, &after.1, PAGE), |row| {
            let stream = StreamName::new(&row.get::<_, String>(10)?, &row.get::<_, String>(11)?);
            Ok(ListedKey { place: (row.get(8)?, row.get(9)?), stream, row: KeyRow::read(row)? })
        })?;
        keys.collect::<rusqlite::Result<_>>()
    };
    read().map_err(store_error)
}

/// Stores keys of another store. After an error, the caller undoes its transaction.
pub(super) fn import(transaction: &Connection, imported: &[StoredKey<'_>]) -> Result<(), AppendError> {
    for StoredKey { stream, key, outcome } in imported {
        let failed = |error| AppendError::store(stream, store_error(error));
        if let Some(row) = keys::find(transaction, stream, key).map_err(failed)? {
            let known = row.outcome(stream, key).map_err(|error| AppendError::store(stream, error))?;
            if known == **outcome {
                continue;
            }
            let (stream, key) = ((*stream).clone(), (*key).to_owned());
            return Err(AppendError::KnownKey { stream, key, outcome: known.into() });
        }
        let number = number_of(transaction, stream).map_err(failed)?;
        keys::insert(transaction, (number, stream), key, (*outcome).clone()).map_err(failed)?;
    }
    Ok(())
}

/// The number of a stream, which gets one if it has none.
fn number_of(transaction: &Connection, stream: &StreamName) -> rusqlite::Result<i64> {
    let names = (stream.category(), stream.key());
    transaction
        .prepare_cached(own_sql!("INSERT OR IGNORE INTO factum_streams (category, key) VALUES (?1, ?2)"))?
        .execute(names)?;
    transaction
        .prepare_cached("SELECT id FROM factum_streams WHERE category = ?1 AND key = ?2")?
        .query_row(names, |row| row.get(0))
}

//! Idempotency keys: rows of `factum_keys`, each with its command and the outcome.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::domain::command_mark::CommandMark;
use crate::domain::hash::{FNV_OFFSET, hashed, mixed};
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::sqlite::file::errors::store_error;
use crate::sqlite::file::handler_sql::own_sql;
use crate::store::append::Outcome;
use crate::store::error::StoreError;

/// The outcome of the command with this key, in a stream.
pub(super) fn outcome(
    connection: &Connection,
    stream: &StreamName,
    key: &str,
) -> Result<Option<Outcome>, StoreError> {
    let found = find(connection, stream, key).map_err(store_error)?;
    found.map(|row| row.outcome(stream, key)).transpose()
}

/// The row of this key in a stream.
pub(super) fn find(
    connection: &Connection,
    stream: &StreamName,
    key: &str,
) -> rusqlite::Result<Option<KeyRow>> {
    connection
        .prepare_cached(
            "SELECT before, factum_keys.version, recorded_at, command, shape, content, checksum, structs
             FROM factum_streams JOIN factum_keys ON stream = id
             WHERE category = ?1 AND factum_streams.key = ?2 AND factum_keys.key = ?3",
        )?
        .query_row((stream.category(), stream.key(), key), KeyRow::read)
        .optional()
}

/// A row, as it is stored.
pub(super) struct KeyRow {
    before: i64,
    version: i64,
    recorded_at: i64,
    command: Option<String>,
    shape: Option<i64>,
    content: Option<i64>,
    checksum: Option<i64>,
    structs: Option<Vec<u8>>,
}

impl KeyRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            before: row.get(0)?,
            version: row.get(1)?,
            recorded_at: row.get(2)?,
            command: row.get(3)?,
            shape: row.get(4)?,
            content: row.get(5)?,
            checksum: row.get(6)?,
            structs: row.get(7)?,
        })
    }

    /// The outcome in the row, if it can be true.
    pub(super) fn outcome(self, stream: &StreamName, key: &str) -> Result<Outcome, StoreError> {
        let damaged =
            |problem: String| StoreError::DamagedKey { stream: stream.clone(), key: key.to_owned(), problem };
        let Self { before, version, .. } = self;
        let (Ok(before), Ok(version)) = (u64::try_from(before), u64::try_from(version)) else {
            return Err(damaged(format!("its versions {before} and {version} are not both from 0 on")));
        };
        let command = match (self.command, self.shape, self.content) {
            (Some(name), Some(shape), Some(content)) => {
                Some(CommandMark::of_stored(name, shape, content, self.structs))
            }
            _ => None,
        };
        let outcome = Outcome::new(before, version, Timestamp::from_micros(self.recorded_at), command);
        if self.checksum.is_some_and(|sum| sum.cast_unsigned() != checksum(stream, key, &outcome)) {
            return Err(damaged(format!(
                "its versions {before} and {version}, its command or its time do not have the checksum that they \
                 were stored with"
            )));
        }
        Ok(outcome)
    }
}

/// Reads each key whose versions are possible as commands do, and passes what is wrong to `found`.
pub(super) fn check(connection: &Connection, mut found: impl FnMut(&StoreError)) -> rusqlite::Result<()> {
    let mut select = connection.prepare(
        "SELECT before, factum_keys.version, recorded_at, command, shape, content, checksum, structs, category,
         factum_streams.key, factum_keys.key
         FROM factum_keys JOIN factum_streams ON stream = id
         WHERE before BETWEEN 0 AND factum_keys.version AND factum_keys.version <= coalesce(
             (SELECT max(version) FROM factum_events AS e WHERE e.stream = factum_keys.stream), 0
         )",
    )?;
    let mut rows = select.query(())?;
    while let Some(row) = rows.next()? {
        // A value of another type is a finding of the check of columns.
        let (Ok(key_row), Ok(category), Ok(of), Ok(key)) =
            (KeyRow::read(row), row.get::<_, String>(8), row.get::<_, String>(9), row.get::<_, String>(10))
        else {
            continue;
        };
        if let Err(error) = key_row.outcome(&StreamName::new(&category, &of), &key) {
            found(&error);
        }
    }
    Ok(())
}

/// A hash over all that a row says of a key.
fn checksum(stream: &StreamName, key: &str, outcome: &Outcome) -> u64 {
    let hash = hashed(hashed(FNV_OFFSET, stream.as_str()), key);
    let hash = mixed(mixed(hash, outcome.before), outcome.version);
    let hash = mixed(hash, outcome.recorded_at.as_micros().cast_unsigned());
    match &outcome.command {
        Some(CommandMark { name, shape, content, structs, .. }) => {
            let hash = mixed(mixed(hashed(hash, name), *shape), *content);
            structs.iter().copied().fold(hash, mixed)
        }
        None => hash,
    }
}

/// Stores a key of the stream with this number, and its command's outcome.
pub(super) fn insert(
    connection: &Connection,
    (number, stream): (i64, &StreamName),
    key: &str,
    outcome: Outcome,
) -> rusqlite::Result<()> {
    let checksum = checksum(stream, key, &outcome);
    let Outcome { before, version, recorded_at, command } = outcome;
    let structs = command.as_ref().filter(|command| !command.structs.is_empty());
    connection
        .prepare_cached(own_sql!(
            "INSERT INTO factum_keys
             (stream, key, before, version, recorded_at, command, shape, content, checksum, structs)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        ))?
        .execute(params![
            number,
            key,
            before,
            version,
            recorded_at.as_micros(),
            command.as_ref().map(|command| &*command.name),
            command.as_ref().map(|command| command.shape.cast_signed()),
            command.as_ref().map(|command| command.content.cast_signed()),
            checksum.cast_signed(),
            structs.map(CommandMark::stored_structs),
        ])
        .and_then(expect_one_row)
}

/// Removes the keys of commands that were executed before `time`; returns their number.
pub(super) fn forget_before(connection: &Connection, time: Timestamp) -> rusqlite::Result<usize> {
    connection.execute("DELETE FROM factum_keys WHERE recorded_at < ?1", [time.as_micros()])
}

/// Checks that exactly one row was inserted: a trigger can leave it out without an error.
pub(super) fn expect_one_row(inserted: usize) -> rusqlite::Result<()> {
    if inserted == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(inserted)) }
}

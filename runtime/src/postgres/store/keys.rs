//! Idempotency keys: rows of the table `keys`, each with its command and the outcome.

use tokio_postgres::{Error, Row};

use crate::domain::command_mark::CommandMark;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::postgres::server::names::unescaped;
use crate::postgres::store::unreadable;
use crate::store::append::Outcome;
use crate::store::error::StoreError;

/// The columns of a key, in the order in which they are read.
pub(super) const COLUMNS: &str =
    "k.key, k.before, k.version, k.recorded_at, k.command, k.shape, k.content, k.structs";

/// A key that is stored.
pub(super) struct KnownKey {
    /// As it is stored, with characters escaped.
    pub(super) key: String,
    before: i64,
    version: i64,
    recorded_at: i64,
    command: Option<String>,
    shape: Option<i64>,
    content: Option<i64>,
    structs: Option<Vec<u8>>,
}

impl KnownKey {
    /// Reads a row with the [`COLUMNS`].
    pub(super) fn of_row(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            key: row.try_get(0)?,
            before: row.try_get(1)?,
            version: row.try_get(2)?,
            recorded_at: row.try_get(3)?,
            command: row.try_get(4)?,
            shape: row.try_get(5)?,
            content: row.try_get(6)?,
            structs: row.try_get(7)?,
        })
    }

    /// Reads several keys from one row that has an array for each of the [`COLUMNS`], from this column on.
    pub(super) fn of_arrays(row: &Row, first: usize) -> Result<Vec<Self>, Error> {
        let keys = row.try_get::<_, Vec<String>>(first)?.into_iter();
        let numbers = |column: usize| row.try_get::<_, Vec<i64>>(first + column).map(Vec::into_iter);
        let marks = |column: usize| row.try_get::<_, Vec<Option<i64>>>(first + column).map(Vec::into_iter);
        let versions = numbers(1)?.zip(numbers(2)?).zip(numbers(3)?);
        let commands = row.try_get::<_, Vec<Option<String>>>(first + 4)?.into_iter();
        let marks = marks(5)?.zip(marks(6)?);
        let structs = row.try_get::<_, Vec<Option<Vec<u8>>>>(first + 7)?.into_iter();
        let rows = keys.zip(versions).zip(commands.zip(marks).zip(structs));
        let key = |((key, ((before, version), recorded_at)), ((command, (shape, content)), structs))| Self {
            key,
            before,
            version,
            recorded_at,
            command,
            shape,
            content,
            structs,
        };
        Ok(rows.map(key).collect())
    }

    /// The outcome in the first row, if there is a row.
    pub(super) fn outcome_of(
        rows: &[Row],
        stream: &StreamName,
        key: &str,
    ) -> Result<Option<Outcome>, StoreError> {
        let known = rows.first().map(Self::of_row).transpose().map_err(unreadable)?;
        known.map(|known| known.outcome(stream, key)).transpose()
    }

    /// The outcome of the key's command, if it can be true.
    pub(super) fn outcome(self, stream: &StreamName, key: &str) -> Result<Outcome, StoreError> {
        let damaged =
            |problem: String| StoreError::DamagedKey { stream: stream.clone(), key: key.to_owned(), problem };
        let (Ok(before), Ok(version)) = (u64::try_from(self.before), u64::try_from(self.version)) else {
            let problem = format!("its versions {} and {} are not both from 0 on", self.before, self.version);
            return Err(damaged(problem));
        };
        let command = match (self.command, self.shape, self.content) {
            (Some(name), Some(shape), Some(content)) => {
                let Some(name) = unescaped(&name) else {
                    return Err(damaged(format!(
                        "its command has the name {name:?}, which factum never writes"
                    )));
                };
                Some(CommandMark::of_stored(name.into_owned(), shape, content, self.structs))
            }
            _ => None,
        };
        Ok(Outcome::new(before, version, Timestamp::from_micros(self.recorded_at), command))
    }
}

//! Reading, as a store does: in pages, each event decoded and applied.

use rusqlite::{Row, Rows};
use serde::Deserialize;
use uuid::Uuid;

use crate::account::{Account, Envelope, MoneyDeposited, NAME};
use crate::content::{CATEGORY, Stream};
use crate::database::{Database, NameNumbers};
use crate::layout::{Metadata, Streams};

/// How many events one statement reads. The store has its reasons for an end; here it is part of the cost.
const PAGE: u32 = 4096;

/// Where metadata begins.
const METADATA: usize = 7;

/// All events of one stream.
pub(crate) fn load(database: &Database, stream: &Stream) -> rusqlite::Result<Account> {
    let mut account = Account::default();
    let mut after = 0;
    loop {
        let before = account.events;
        let mut select = database.connection.prepare_cached(database.layout.load)?;
        let rows = match database.layout.streams {
            Streams::Numbered { .. } => select.query((CATEGORY, &stream.key, after, PAGE))?,
            Streams::Text { .. } => select.query((&stream.text, after, PAGE))?,
        };
        fold(database, rows, &mut account, |_, envelope| {
            after = envelope.version;
            Ok(())
        })?;
        if account.events - before < PAGE {
            return Ok(account);
        }
    }
}

/// All events of all streams. Gives the letters in the names of their streams too.
pub(crate) fn scan(database: &Database) -> rusqlite::Result<(Account, usize)> {
    let mut account = Account::default();
    let mut letters = 0;
    let mut after: i64 = 0;
    let stream = METADATA + database.layout.metadata.columns();
    loop {
        let before = account.events;
        let mut select = database.connection.prepare_cached(database.layout.scan)?;
        let rows = select.query((after, PAGE))?;
        fold(database, rows, &mut account, |row, _| {
            after = row.get(0)?;
            let first = row.get_ref(stream)?.as_str()?;
            let (category, key) = match database.layout.streams {
                Streams::Numbered { .. } => (first, row.get_ref(stream + 1)?.as_str()?),
                Streams::Text { .. } => first.split_once('/').expect("the stream has a category"),
            };
            letters += category.len() + key.len();
            Ok(())
        })?;
        if account.events - before < PAGE {
            return Ok((account, letters));
        }
    }
}

fn fold(
    database: &Database,
    mut rows: Rows<'_>,
    account: &mut Account,
    mut seen: impl FnMut(&Row<'_>, &Envelope) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    while let Some(row) = rows.next()? {
        let envelope = envelope(row, database.layout.metadata)?;
        assert!(is_deposit(row, &database.names)? && envelope.schema == 1, "no other events are written");
        let event: MoneyDeposited =
            serde_json::from_str(row.get_ref(6)?.as_str()?).expect("the payload is an event");
        account.apply(&envelope, &event);
        seen(row, &envelope)?;
    }
    Ok(())
}

fn is_deposit(row: &Row<'_>, names: &NameNumbers) -> rusqlite::Result<bool> {
    let name = row.get_ref(2)?;
    Ok(match name.as_i64() {
        Ok(number) => names.name(number) == Some(NAME),
        Err(_) => name.as_str()? == NAME,
    })
}

fn envelope(row: &Row<'_>, metadata: Metadata) -> rusqlite::Result<Envelope> {
    let [correlation, causation] = match metadata {
        Metadata::Columns { .. } => [row.get(METADATA)?, row.get(METADATA + 1)?],
        Metadata::Json { .. } => match row.get_ref(METADATA)?.as_str_or_null()? {
            None => [None, None],
            Some(text) => from_json(text),
        },
    };
    // What the application adds stays text until it asks.
    if let Metadata::Columns { .. } = metadata {
        assert_eq!(row.get_ref(METADATA + 2)?.as_str_or_null()?, None);
    }
    Ok(Envelope {
        version: row.get(1)?,
        schema: row.get(3)?,
        id: row.get(4)?,
        recorded_at: row.get(5)?,
        correlation,
        causation,
    })
}

fn from_json(text: &str) -> [Option<[u8; 16]>; 2] {
    #[derive(Deserialize)]
    struct Ids<'t> {
        correlation: &'t str,
        causation: &'t str,
    }

    let ids: Ids<'_> = serde_json::from_str(text).expect("the metadata is JSON");
    [ids.correlation, ids.causation].map(|id| Some(Uuid::parse_str(id).expect("it is an id").into_bytes()))
}

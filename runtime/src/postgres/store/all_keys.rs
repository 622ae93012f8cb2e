//! All idempotency keys: listed, and imported from another store.

use std::borrow::Cow;

use tokio_postgres::Row;

use crate::domain::command_mark::CommandMark;
use crate::domain::stream_name::StreamName;
use crate::postgres::server::names::{escaped, unescaped};
use crate::postgres::server::session::Value;
use crate::postgres::store::keys::KnownKey;
use crate::postgres::store::{Shared, signed, unreadable};
use crate::store::error::{AppendError, StoreError};
use crate::store::stored_key::{StoredKey, VisitKey};

/// How many keys are read at a time.
const PAGE: usize = 1_024;

impl Shared {
    pub(super) fn read_keys(&self, visit: &mut VisitKey<'_>) -> Result<(), StoreError> {
        let (mut number, mut last) = (0_i64, String::new());
        loop {
            let after: Vec<Value> =
                vec![Box::new(number), Box::new(last.clone()), Box::new(signed(PAGE as u64))];
            let rows = self.ask(&self.statements.all_keys, after)?.wait()?;
            for row in &rows {
                let known = KnownKey::of_row(row).map_err(unreadable)?;
                let stream = StreamName::new(&text(row, 9)?, &text(row, 10)?);
                number = row.try_get(8).map_err(unreadable)?;
                last.clone_from(&known.key);
                let key = unescaped(&last).unwrap_or(Cow::Borrowed(&last));
                let outcome = known.outcome(&stream, &key)?;
                if visit(&StoredKey::new(&stream, &key, &outcome)).is_break() {
                    return Ok(());
                }
            }
            if rows.len() < PAGE {
                return Ok(());
            }
        }
    }

    pub(super) fn import_keys(&self, keys: &[StoredKey<'_>]) -> Result<(), AppendError> {
        let Some(first) = keys.first() else { return Ok(()) };
        let failed = |error| AppendError::store(first.stream, error);
        let rows = self.ask(&self.statements.import_keys, self.columns(keys)).map_err(failed)?;
        let rows = rows.wait().map_err(failed)?;
        let Some(row) = rows.first() else { return Ok(()) };
        let place = row.try_get::<_, Option<i64>>(8).map_err(|error| failed(unreadable(error)))?;
        let Some(StoredKey { stream, key, .. }) =
            place.and_then(|place| keys.get(usize::try_from(place - 1).ok()?))
        else {
            return Ok(());
        };
        let known = KnownKey::of_row(row).map_err(|error| failed(unreadable(error)))?;
        let outcome = known.outcome(stream, key).map_err(failed)?.into();
        Err(AppendError::KnownKey { stream: (*stream).clone(), key: (*key).to_owned(), outcome })
    }

    /// The arguments of the function `import_keys`.
    fn columns(&self, keys: &[StoredKey<'_>]) -> Vec<Value> {
        let commands = || keys.iter().map(|key| key.outcome.command.as_ref());
        let texts = |text: fn(&StoredKey<'_>) -> String| keys.iter().map(text).collect::<Vec<_>>();
        let numbers = |number: fn(&StoredKey<'_>) -> i64| keys.iter().map(number).collect::<Vec<_>>();
        vec![
            Box::new(self.id),
            Box::new(texts(|key| escaped(key.stream.category()).into_owned())),
            Box::new(texts(|key| escaped(key.stream.key()).into_owned())),
            Box::new(texts(|key| escaped(key.key).into_owned())),
            Box::new(numbers(|key| key.outcome.before.cast_signed())),
            Box::new(numbers(|key| key.outcome.version.cast_signed())),
            Box::new(numbers(|key| key.outcome.recorded_at.as_micros())),
            Box::new(
                commands().map(|mark| mark.map(|mark| escaped(&mark.name).into_owned())).collect::<Vec<_>>(),
            ),
            Box::new(commands().map(|mark| mark.map(|mark| mark.shape.cast_signed())).collect::<Vec<_>>()),
            Box::new(commands().map(|mark| mark.map(|mark| mark.content.cast_signed())).collect::<Vec<_>>()),
            Box::new(commands().map(|mark| mark.map(CommandMark::stored_structs)).collect::<Vec<_>>()),
        ]
    }
}

/// A name in a column, as it was before it was escaped.
fn text(row: &Row, column: usize) -> Result<String, StoreError> {
    let text = row.try_get::<_, String>(column).map_err(unreadable)?;
    Ok(unescaped(&text).map_or_else(|| text.clone(), Cow::into_owned))
}

//! Appending: what a store does, on any layout.

use std::collections::HashMap;
use std::rc::Rc;

use rusqlite::{Connection, OptionalExtension, Row, ToSql};

use crate::account::NAME;
use crate::content::{Append, CATEGORY, Event};
use crate::database::{Database, NameNumbers};
use crate::layout::{Layout, Metadata, Streams};
use crate::statements::{Cached, Statements};

/// How a transaction is begun and ended.
#[derive(Clone, Copy)]
pub(crate) enum Control {
    /// `execute_batch`, as rusqlite's `Transaction` does.
    Batch,
    /// Prepared statements like all others.
    Prepared,
}

/// How it is found out that a stream is not at the version it should be at.
#[derive(Clone, Copy)]
pub(crate) enum Check {
    /// By looking before anything is written.
    Before,
    /// The same, and a savepoint around each append: an error then takes back one of a group and no other.
    BeforeAndSavepoint,
    /// The unique indexes refuse it. Needs the stream's number, from an earlier append.
    Index,
}

pub(crate) struct Writer<'d, S> {
    connection: &'d Connection,
    layout: &'d Layout,
    names: &'d NameNumbers,
    statements: S,
    control: Control,
    check: Check,
    /// By stream, as a cache of aggregates would know them.
    numbers: HashMap<Rc<str>, i64>,
}

impl<'d, S: Statements> Writer<'d, S> {
    pub(crate) fn new(database: &'d Database, statements: S, control: Control, check: Check) -> Self {
        Self {
            connection: &database.connection,
            layout: database.layout,
            names: &database.names,
            statements,
            control,
            check,
            numbers: HashMap::new(),
        }
    }

    /// Stores all of `appends`.
    pub(crate) fn commit<'a>(
        &mut self,
        appends: impl IntoIterator<Item = &'a Append>,
    ) -> rusqlite::Result<()> {
        // Immediate: a transaction that began as a reader could not become a writer after another process has written.
        self.control("BEGIN IMMEDIATE")?;
        // Another process may have written since the last commit.
        let mut position = match self.layout.newest_position {
            Some(newest) => self.statements.with(newest, |select| select.query_row((), |row| row.get(0)))?,
            None => 0,
        };
        for append in appends {
            if let Check::BeforeAndSavepoint = self.check {
                self.control("SAVEPOINT append")?;
                self.append(append, &mut position)?;
                self.control("RELEASE append")?;
            } else {
                self.append(append, &mut position)?;
            }
        }
        self.control("COMMIT")
    }

    fn control(&mut self, sql: &'static str) -> rusqlite::Result<()> {
        match self.control {
            Control::Batch => self.connection.execute_batch(sql),
            Control::Prepared => {
                self.statements.with(sql, |statement| statement.execute(())).map(|_changed| ())
            }
        }
    }

    fn append(&mut self, append: &Append, position: &mut i64) -> rusqlite::Result<()> {
        let last = append.expected + i64::try_from(append.events.len()).expect("it is a short list");
        let number = match self.layout.streams {
            Streams::Text { find } => {
                let actual = self.statements.with(find, |find| {
                    find.query_row([&append.stream.text], |row| row.get::<_, Option<i64>>(0))
                })?;
                assert_eq!(actual.unwrap_or(0), append.expected);
                None
            }
            Streams::Numbered { find, register, advance } => {
                Some(self.number(append, last, find, register, advance)?)
            }
        };
        let stream: &dyn ToSql = match &number {
            Some(number) => number,
            None => &append.stream.text,
        };
        let name_number = self.names.number(NAME);
        let name: &dyn ToSql = match &name_number {
            Some(number) => number,
            None => &NAME,
        };
        let metadata = self.layout.metadata;
        self.statements.with(self.layout.insert, |insert| {
            for (version, event) in (append.expected + 1..).zip(&append.events) {
                *position += 1;
                let (correlation, causation) = match metadata {
                    Metadata::Columns { set: true } => {
                        (Some(event.correlation.as_bytes()), Some(event.causation.as_bytes()))
                    }
                    _ => (None, None),
                };
                let json = (metadata == Metadata::Json { set: true }).then(|| json(event));
                let first: &dyn ToSql = if json.is_some() { &json } else { &correlation };
                let values: [&dyn ToSql; 11] = [
                    stream,
                    &version,
                    name,
                    &1,
                    event.id.as_bytes(),
                    &event.recorded_at,
                    &event.payload,
                    first,
                    &causation,
                    &None::<&str>,
                    &*position,
                ];
                // A layout that needs fewer leaves out the last ones.
                insert.execute(&values[..insert.parameter_count()])?;
            }
            Ok(())
        })
    }

    /// The number of the stream, which is made sure to be at the expected version.
    fn number(
        &mut self,
        append: &Append,
        last: i64,
        find: &'static str,
        register: &'static str,
        advance: Option<&'static str>,
    ) -> rusqlite::Result<i64> {
        let found = self.find(append, find)?;
        assert_eq!(found.map_or(0, |(_, version)| version), append.expected);
        let number = match (found, advance) {
            (None, _) => self.statements.with(register, |register| {
                let values: [&dyn ToSql; 3] = [&CATEGORY, &append.stream.key, &last];
                register.insert(&values[..register.parameter_count()])
            })?,
            (Some((number, _)), Some(advance)) => {
                self.statements.with(advance, |advance| advance.execute((number, last)))?;
                number
            }
            (Some((number, _)), None) => number,
        };
        if let Check::Index = self.check {
            self.numbers.insert(append.stream.key.as_str().into(), number);
        }
        Ok(number)
    }

    /// The number of the stream and its version, if it is known already.
    fn find(&mut self, append: &Append, find: &'static str) -> rusqlite::Result<Option<(i64, i64)>> {
        let key = append.stream.key.as_str();
        if let Check::Index = self.check {
            if append.expected == 0 {
                return Ok(None);
            }
            if let Some(&number) = self.numbers.get(key) {
                return Ok(Some((number, append.expected)));
            }
        }
        self.statements.with(find, |find| {
            let version_of = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?.unwrap_or(0)));
            find.query_row((CATEGORY, key), version_of).optional()
        })
    }
}

/// Part of what this kind of metadata costs.
fn json(event: &Event) -> String {
    format!(r#"{{"correlation":"{}","causation":"{}"}}"#, event.correlation, event.causation)
}

/// Writes in the store's way of today.
pub(crate) fn writer(database: &Database) -> Writer<'_, Cached<'_>> {
    Writer::new(database, Cached(&database.connection), Control::Batch, Check::Before)
}

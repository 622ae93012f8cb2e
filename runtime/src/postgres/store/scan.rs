//! A read of many events, page by page: the statement, and the values for each page.

use tokio_postgres::Row;

use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::postgres::server::names::escaped;
use crate::postgres::server::session::Value;
use crate::postgres::store::rows;
use crate::postgres::store::signed;
use crate::postgres::store::statements::{Sql, Statements};
use crate::store::error::StoreError;
use crate::store::read::Filter;

/// How many events the first page has, and any page at most.
const FIRST: usize = 256;
const LARGEST: usize = 1_024;

/// How many bytes of events a page should have.
const PAGE_BYTES: usize = 1 << 20;

/// How many positions a page of a filtered read goes through at most, so that no statement takes long.
const WINDOW: i64 = 50_000;

/// How far a read is.
pub(super) struct Scan {
    sql: Sql,
    of: Of,
    /// The events after this place are still to be read.
    after: i64,
    /// How many events are still wanted.
    limit: usize,
    /// How many events the next page should have.
    size: usize,
    /// The page that was asked for: how many events it can have, and the last place that it can have.
    asked: (usize, i64),
}

enum Of {
    Stream { category: String, key: String },
    All { names: Vec<String>, categories: Vec<String>, partition: Option<[i64; 2]>, until: i64 },
}

/// What comes after a page.
pub(super) enum Next {
    Page,
    /// Another page, if the store has events after this position.
    After(i64),
    End,
}

impl Scan {
    /// The events of one stream, by one of the two statements for that.
    pub(super) fn of_stream(sql: &Sql, stream: &StreamName, after: u64, limit: usize) -> Self {
        let of = Of::Stream {
            category: escaped(stream.category()).into_owned(),
            key: escaped(stream.key()).into_owned(),
        };
        Self::new(sql.clone(), of, signed(after), limit)
    }

    /// The events of all streams.
    pub(super) fn of_all(
        statements: &Statements,
        filter: &Filter<'_>,
        after: Position,
        limit: usize,
    ) -> Self {
        // No event has a name with a NUL, and the server does not take it.
        let names = filter.names.iter().filter(|name| !name.contains('\0'));
        let of = Of::All {
            names: names.map(|name| (*name).to_owned()).collect(),
            categories: filter.categories.iter().map(|category| escaped(category).into_owned()).collect(),
            partition: (filter.partition.of() > 1)
                .then(|| [i64::from(filter.partition.of()), i64::from(filter.partition.index())]),
            until: filter.until.map_or(i64::MAX, |until| signed(until.get())),
        };
        Self::new(statements.all(filter), of, signed(after.get()), limit)
    }

    fn new(sql: Sql, of: Of, after: i64, limit: usize) -> Self {
        Self { sql, of, after, limit, size: FIRST, asked: (0, i64::MAX) }
    }

    /// Whether no event is wanted.
    pub(super) fn is_empty(&self) -> bool {
        self.limit == 0
    }

    /// The statement for the next page, and its values.
    pub(super) fn ask(&mut self) -> (Sql, Vec<Value>) {
        let size = self.limit.min(self.size);
        self.asked = (size, i64::MAX);
        let values: Vec<Value> = match &self.of {
            Of::Stream { category, key } => vec![
                Box::new(category.clone()),
                Box::new(key.clone()),
                Box::new(self.after),
                Box::new(signed(size as u64)),
            ],
            Of::All { names, categories, partition, until } => {
                let is_filtered = !names.is_empty() || !categories.is_empty() || partition.is_some();
                let end = if is_filtered { (*until).min(self.after.saturating_add(WINDOW)) } else { *until };
                self.asked.1 = end;
                let mut values: Vec<Value> =
                    vec![Box::new(self.after), Box::new(end), Box::new(signed(size as u64))];
                if !names.is_empty() {
                    values.push(Box::new(names.clone()));
                }
                if !categories.is_empty() {
                    values.push(Box::new(categories.clone()));
                }
                for number in partition.iter().flatten() {
                    values.push(Box::new(*number));
                }
                values
            }
        };
        (self.sql.clone(), values)
    }

    /// Notes the rows of the page that was asked for.
    pub(super) fn next(&mut self, rows: &[Row]) -> Result<Next, StoreError> {
        let (size, end) = self.asked;
        let is_full = rows.len() >= size;
        self.limit = self.limit.saturating_sub(rows.len());
        self.size = size_of_next(rows);
        match (rows.last(), &self.of) {
            (Some(last), Of::Stream { .. }) if is_full => self.after = signed(rows::replayed(last)?.version),
            (Some(last), Of::All { .. }) if is_full => self.after = rows::position(last)?,
            _ => self.after = end,
        }
        Ok(match &self.of {
            _ if self.limit == 0 => Next::End,
            _ if is_full => Next::Page,
            Of::All { until, .. } if end < *until => Next::After(end),
            _ => Next::End,
        })
    }
}

/// How many events of the size of these are a page.
fn size_of_next(rows: &[Row]) -> usize {
    let bytes = rows.iter().map(Row::raw_size_bytes).sum::<usize>().max(1);
    (PAGE_BYTES.saturating_mul(rows.len()) / bytes).clamp(4, LARGEST)
}

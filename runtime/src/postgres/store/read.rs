//! Reads events in pages. The next page is asked for before the visitor gets the events of this one.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio_postgres::Row;
use uuid::Uuid;

use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::postgres::server::names::escaped;
use crate::postgres::server::session::Value;
use crate::postgres::store::rows;
use crate::postgres::store::{Shared, signed, unreadable};
use crate::store::error::StoreError;
use crate::store::read::{Filter, Visit, VisitReplayed};

/// How many events the first page has, and any page at most.
const FIRST: usize = 256;
const LARGEST: usize = 1_024;

/// How many bytes of events a page should have.
const PAGE_BYTES: usize = 1 << 20;

/// How many positions a page of a filtered read goes through at most, so that no statement takes long.
const WINDOW: i64 = 50_000;

/// The rows of a page that has been asked for.
type Asked<'a> = Box<dyn FnOnce() -> Result<Vec<Row>, StoreError> + 'a>;

/// What asks for the rows of a statement: a session that reads, or a transaction.
pub(crate) type AskRows<'a> = dyn Fn(&Arc<str>, Vec<Value>) -> Result<Asked<'a>, StoreError> + 'a;

/// A page that has been asked for.
struct Page<'a> {
    rows: Asked<'a>,
    size: usize,
    /// The last place that the page can have.
    end: i64,
}

/// Passes the pages of a read to `visit`, as long as it continues.
///
/// `ask` asks for the events after a place, at most so many, and says where its search ends. `place` is the place of a row.
/// `has_more` says whether there can be events after the end of a search.
fn pages<'a>(
    mut after: i64,
    mut limit: usize,
    ask: impl Fn(i64, usize) -> Result<(Asked<'a>, i64), StoreError>,
    place: impl Fn(&Row) -> Result<i64, StoreError>,
    has_more: impl Fn(i64) -> Result<bool, StoreError>,
    mut visit: impl FnMut(&[Row]) -> Result<ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    let asked = |after: i64, size: usize| ask(after, size).map(|(rows, end)| Page { rows, size, end });
    if limit == 0 {
        return Ok(());
    }
    let mut page = asked(after, limit.min(FIRST))?;
    loop {
        let Page { rows, size, end } = page;
        let rows = rows()?;
        limit = limit.saturating_sub(rows.len());
        let is_full = rows.len() >= size;
        if let Some(last) = rows.last() {
            after = place(last)?;
        }
        if !is_full {
            after = end;
        }
        let next = if limit > 0 && (is_full || has_more(end)?) {
            Some(asked(after, limit.min(next_size(&rows)))?)
        } else {
            None
        };
        if visit(&rows)?.is_break() {
            return Ok(());
        }
        match next {
            Some(next) => page = next,
            None => return Ok(()),
        }
    }
}

/// How many events of the size of these are a page.
fn next_size(rows: &[Row]) -> usize {
    let bytes = rows.iter().map(Row::raw_size_bytes).sum::<usize>().max(1);
    (PAGE_BYTES.saturating_mul(rows.len()) / bytes).clamp(4, LARGEST)
}

impl Shared {
    pub(super) fn read_stream(
        &self,
        stream: &StreamName,
        after: u64,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.stream_pages(&self.statements.stream, stream, after, limit, |row| {
            Ok(visit(&rows::stored(row, stream, Some(rows::AFTER_EVENT))?))
        })
    }

    pub(super) fn replay(
        &self,
        stream: &StreamName,
        after: u64,
        limit: usize,
        visit: &mut VisitReplayed<'_>,
    ) -> Result<Option<Uuid>, StoreError> {
        let mut last = None;
        self.stream_pages(&self.statements.replay, stream, after, limit, |row| {
            last = Some(rows::id(row)?);
            Ok(visit(&rows::replayed(row)?))
        })?;
        Ok(last)
    }

    fn stream_pages(
        &self,
        sql: &Arc<str>,
        stream: &StreamName,
        after: u64,
        limit: usize,
        mut visit: impl FnMut(&Row) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let (category, key) = (escaped(stream.category()).into_owned(), escaped(stream.key()).into_owned());
        pages(
            signed(after),
            limit,
            |after, size| {
                let values: Vec<Value> = vec![
                    Box::new(category.clone()),
                    Box::new(key.clone()),
                    Box::new(after),
                    Box::new(signed(size as u64)),
                ];
                Ok((self.asked(sql, values)?, i64::MAX))
            },
            |row| Ok(signed(rows::replayed(row)?.version)),
            |_| Ok(false),
            |rows| each(rows, &mut visit),
        )
    }

    /// Asks a session that reads, which begins at once.
    fn asked(&self, sql: &Arc<str>, values: Vec<Value>) -> Result<Asked<'_>, StoreError> {
        let rows = self.ask(sql, values)?;
        Ok(Box::new(move || rows.wait()))
    }

    pub(super) fn read_all(
        &self,
        filter: Filter<'_>,
        after: Position,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.read_all_by(&|sql, values| self.asked(sql, values), filter, after, limit, visit)
    }

    /// Reads what `asks` asks for.
    pub(super) fn read_all_by(
        &self,
        asks: &AskRows<'_>,
        filter: Filter<'_>,
        after: Position,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let sql = self.statements.all(&filter);
        let until = filter.until.map_or(i64::MAX, |until| signed(until.get()));
        let is_filtered =
            !filter.names.is_empty() || !filter.categories.is_empty() || filter.partition.of() > 1;
        let ask = |after: i64, size: usize| {
            let end = if is_filtered { until.min(after.saturating_add(WINDOW)) } else { until };
            let mut values: Vec<Value> = vec![Box::new(after), Box::new(end), Box::new(signed(size as u64))];
            if !filter.names.is_empty() {
                // No event has a name with a NUL, and the server does not take it.
                let names = filter.names.iter().filter(|name| !name.contains('\0'));
                values.push(Box::new(names.map(|name| (*name).to_owned()).collect::<Vec<_>>()));
            }
            if !filter.categories.is_empty() {
                let categories = filter.categories.iter().map(|category| escaped(category).into_owned());
                values.push(Box::new(categories.collect::<Vec<_>>()));
            }
            if filter.partition.of() > 1 {
                values.push(Box::new(i64::from(filter.partition.of())));
                values.push(Box::new(i64::from(filter.partition.index())));
            }
            Ok((asks(&sql, values)?, end))
        };
        let metadata = filter.wants_metadata.then_some(rows::AFTER_EVENT + 1);
        pages(
            signed(after.get()),
            limit,
            ask,
            rows::position,
            |end| Ok(end < until && newest(&asks(&self.statements.position, Vec::new())?()?)? > end),
            |rows| {
                let streams: Vec<_> = rows.iter().map(rows::stream).collect::<Result<_, _>>()?;
                let names = self.names.of(streams.iter().copied(), |missing| {
                    asks(&self.statements.names, vec![Box::new(missing)])?()
                })?;
                let mut streams = streams.into_iter();
                each(rows, |row| {
                    let number = streams.next().unwrap_or_default();
                    let name = names.get(&number).ok_or_else(|| match rows::position(row) {
                        Ok(position) => rows::nameless(position, number),
                        Err(error) => error,
                    })?;
                    Ok(visit(&rows::stored(row, name, metadata)?))
                })
            },
        )
    }
}

/// The position of the newest event, from the row of the counter.
fn newest(rows: &[Row]) -> Result<i64, StoreError> {
    rows.first().map_or(Ok(0), |row| row.try_get(0).map_err(unreadable))
}

fn each(
    rows: &[Row],
    mut visit: impl FnMut(&Row) -> Result<ControlFlow<()>, StoreError>,
) -> Result<ControlFlow<()>, StoreError> {
    for row in rows {
        if visit(row)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

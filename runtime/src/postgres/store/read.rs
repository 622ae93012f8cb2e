//! Reads of threads. The next page is asked for before the visitor gets the events of this one.

use std::ops::ControlFlow;

use tokio_postgres::Row;
use uuid::Uuid;

use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::postgres::server::session::Value;
use crate::postgres::store::rows;
use crate::postgres::store::scan::{Next, Scan};
use crate::postgres::store::statements::Sql;
use crate::postgres::store::{Shared, of_counter, signed, unreadable};
use crate::store::error::{StoreError, taken_over};
use crate::store::read::{Filter, Visit, VisitReplayed};

/// The rows of a statement that was sent.
type Asked<'a> = Box<dyn FnOnce() -> Result<Vec<Row>, StoreError> + 'a>;

/// Sends a statement, in a session that reads or in a transaction.
pub(crate) type AskRows<'a> = dyn Fn(&Sql, Vec<Value>) -> Result<Asked<'a>, StoreError> + 'a;

impl Shared {
    pub(super) fn read_stream(
        &self,
        stream: &StreamName,
        after: u64,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let scan = Scan::of_stream(&self.statements.stream, stream, after, limit);
        self.pages(scan, |rows| {
            rows::each(rows, |row| Ok(visit(&rows::stored(row, stream, Some(rows::AFTER_EVENT))?)))
        })
    }

    pub(super) fn replay(
        &self,
        stream: &StreamName,
        after: u64,
        limit: usize,
        visit: &mut VisitReplayed<'_>,
    ) -> Result<Option<Uuid>, StoreError> {
        let scan = Scan::of_stream(&self.statements.replay, stream, after, limit);
        let mut last = None;
        self.pages(scan, |rows| {
            rows::each(rows, |row| {
                last = Some(rows::id(row)?);
                Ok(visit(&rows::replayed(row)?))
            })
        })?;
        Ok(last)
    }

    pub(super) fn read_all(
        &self,
        filter: Filter<'_>,
        after: Position,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let scan = Scan::of_all(&self.statements, &filter, after, limit);
        let asks = |sql: &Sql, values| self.asked(sql, values);
        self.pages(scan, |rows| self.visit_all(&asks, &filter, rows, visit))
    }

    /// Reads all events that a transaction sees, with rows that `asks` asks it for.
    pub(super) fn read_all_in(
        &self,
        asks: &AskRows<'_>,
        filter: &Filter<'_>,
        after: Position,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let scan = Scan::of_all(&self.statements, filter, after, usize::MAX);
        let newest = || {
            let rows = asks(&self.statements.position, Vec::new())?()?;
            of_counter(rows.first().map(|row| row.try_get(0)).transpose().map_err(unreadable)?)
        };
        // A transaction is with one server.
        pages(asks, newest, || 0, scan, |rows| self.visit_all(asks, filter, rows, visit))
    }

    /// Passes a page of events of all streams to `visit`.
    fn visit_all(
        &self,
        asks: &AskRows<'_>,
        filter: &Filter<'_>,
        rows: &[Row],
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let metadata = filter.wants_metadata.then_some(rows::AFTER_EVENT + 1);
        let (mut names, missing) = self.names.known(rows)?;
        if !missing.is_empty() {
            let found = asks(&self.statements.names, vec![Box::new(missing)])?()?;
            self.names.add(&mut names, &found)?;
        }
        rows::each(rows, |row| Ok(visit(&rows::stored(row, names.of(row)?, metadata)?)))
    }

    fn pages(
        &self,
        scan: Scan,
        visit: impl FnMut(&[Row]) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        // This position is one that the program knows from then on: a standby that lacks it gets no page behind it.
        let asks = |sql: &Sql, values| self.asked(sql, values);
        pages(&asks, || self.position(), || self.timelines.takeovers(), scan, visit)
    }

    /// Asks a session that reads, which begins at once.
    fn asked(&self, sql: &Sql, values: Vec<Value>) -> Result<Asked<'_>, StoreError> {
        let rows = self.ask(sql, values)?;
        Ok(Box::new(move || rows.wait()))
    }
}

/// Passes the pages of a read to `visit`, as long as it continues.
fn pages(
    asks: &AskRows<'_>,
    newest: impl Fn() -> Result<Position, StoreError>,
    takeovers: impl Fn() -> u64,
    mut scan: Scan,
    mut visit: impl FnMut(&[Row]) -> Result<ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    if scan.is_empty() {
        return Ok(());
    }
    let (mut begun, mut is_first) = (takeovers(), true);
    let (sql, values) = scan.ask();
    let mut page = Some(asks(&sql, values)?);
    while let Some(rows) = page.take() {
        let rows = rows()?;
        let now = takeovers();
        if now != begun {
            if !is_first {
                return Err(taken_over());
            }
            // These rows may be of the earlier server, and the next ones of the other.
            begun = now;
            let (sql, values) = scan.ask();
            page = Some(asks(&sql, values)?);
            continue;
        }
        is_first = false;
        let has_next = match scan.next(&rows)? {
            Next::Page => true,
            Next::After(end) => signed(newest()?.get()) > end,
            Next::End => false,
        };
        if has_next {
            let (sql, values) = scan.ask();
            page = Some(asks(&sql, values)?);
        }
        if visit(&rows)?.is_break() {
            break;
        }
    }
    Ok(())
}

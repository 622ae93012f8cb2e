//! Reads of threads. The next page is asked for before the visitor gets the events of this one.

use std::ops::ControlFlow;

use tokio_postgres::Row;
use uuid::Uuid;

use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::postgres::store::rows;
use crate::postgres::store::scan::{Next, Scan};
use crate::postgres::store::{Shared, signed};
use crate::store::error::StoreError;
use crate::store::read::{Filter, Visit, VisitReplayed};

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
        let metadata = filter.wants_metadata.then_some(rows::AFTER_EVENT + 1);
        self.pages(scan, |rows| {
            let (mut names, missing) = self.names.known(rows)?;
            if !missing.is_empty() {
                let found = self.ask(&self.statements.names, vec![Box::new(missing)])?.wait()?;
                self.names.add(&mut names, &found)?;
            }
            rows::each(rows, |row| Ok(visit(&rows::stored(row, names.of(row)?, metadata)?)))
        })
    }

    /// Passes the pages of a read to `visit`, as long as it continues.
    fn pages(
        &self,
        mut scan: Scan,
        mut visit: impl FnMut(&[Row]) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        if scan.is_empty() {
            return Ok(());
        }
        let (sql, values) = scan.ask();
        let mut page = Some(self.ask(&sql, values)?);
        while let Some(rows) = page.take() {
            let rows = rows.wait()?;
            let has_next = match scan.next(&rows)? {
                Next::Page => true,
                Next::After(end) => signed(self.position()?.get()) > end,
                Next::End => false,
            };
            if has_next {
                let (sql, values) = scan.ask();
                page = Some(self.ask(&sql, values)?);
            }
            if visit(&rows)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

//! Reads of tasks, which wait for rows with a waker.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio_postgres::Row;
use tokio_postgres::types::FromSqlOwned;
use uuid::Uuid;

use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::postgres::server::names::escaped;
use crate::postgres::server::session::Value;
use crate::postgres::store::keys::KnownKey;
use crate::postgres::store::readers::{Job, TaskPending};
use crate::postgres::store::rows;
use crate::postgres::store::scan::{Next, Scan};
use crate::postgres::store::snapshots::snapshot;
use crate::postgres::store::statements::Sql;
use crate::postgres::store::stream_names::Names;
use crate::postgres::store::{Shared, name_values, of_counter, signed, unreadable, unsigned};
use crate::store::append::Outcome;
use crate::store::error::{StoreError, taken_over};
use crate::store::read::{Filter, Visit};
use crate::store::snapshot::VisitSnapshot;
use crate::store::task_reads::{Page, ReadSnapshot, TaskRead, TaskReads};

impl TaskReads for Arc<Shared> {
    fn read_stream(
        &self,
        stream: &StreamName,
        after: u64,
        limit: usize,
        metadata: bool,
    ) -> TaskRead<Box<dyn Page>> {
        let sql = if metadata { &self.statements.stream } else { &self.statements.replay };
        let names = NamesOf::Stream(stream.clone());
        let metadata = metadata.then_some(rows::AFTER_EVENT);
        Pages::begin(self, Scan::of_stream(sql, stream, after, limit), names, metadata)
    }

    fn read_all(&self, filter: Filter<'_>, after: Position, limit: usize) -> TaskRead<Box<dyn Page>> {
        let scan = Scan::of_all(&self.statements, &filter, after, limit);
        let metadata = filter.wants_metadata.then_some(rows::AFTER_EVENT + 1);
        Pages::begin(self, scan, NamesOf::All(Names::default()), metadata)
    }

    fn stream_version(&self, stream: &StreamName) -> TaskRead<u64> {
        let version = self.first_of_task::<i64>(&self.statements.stream_version, name_values(stream));
        Box::pin(async move { Ok(version.await?.unwrap_or(0).unsigned_abs()) })
    }

    fn position(&self) -> TaskRead<Position> {
        self.position_of_task()
    }

    fn next_position(&self, after: Position) -> TaskRead<Option<Position>> {
        let values: Vec<Value> = vec![Box::new(signed(after.get()))];
        let next = self.first_of_task(&self.statements.next_position, values);
        Box::pin(async move { Ok(next.await?.map(unsigned)) })
    }

    fn event_id(&self, position: Position) -> TaskRead<Option<Uuid>> {
        let values: Vec<Value> = vec![Box::new(signed(position.get()))];
        self.first_of_task(&self.statements.event_id, values)
    }

    fn outcome(&self, stream: &StreamName, key: &str) -> TaskRead<Option<Outcome>> {
        let mut values = name_values(stream);
        values.push(Box::new(escaped(key).into_owned()));
        let rows = self.ask_as_task(&self.statements.outcome, values);
        let (stream, key) = (stream.clone(), key.to_owned());
        Box::pin(async move { KnownKey::outcome_of(&rows?.await?, &stream, &key) })
    }

    fn read_snapshot(&self, stream: &StreamName) -> TaskRead<Box<dyn ReadSnapshot>> {
        let rows = self.ask_as_task(&self.statements.snapshot, name_values(stream));
        Box::pin(async move { Ok(Box::new(Snapshot(rows?.await?)) as Box<dyn ReadSnapshot>) })
    }
}

impl Shared {
    /// Sends a statement that does no harm if it is carried out twice.
    fn ask_as_task(&self, sql: &Sql, values: Vec<Value>) -> Result<TaskPending, StoreError> {
        self.check_process()?;
        let (job, rows) = Job::of_task(sql, values, self.line.needed(sql));
        self.line.send(job);
        Ok(rows)
    }

    /// The first column of the first row; `None` if there is no row.
    fn first_of_task<T: FromSqlOwned + Send>(&self, sql: &Sql, values: Vec<Value>) -> TaskRead<Option<T>> {
        let rows = self.ask_as_task(sql, values);
        Box::pin(async move {
            let rows = rows?.await?;
            rows.first().map(|row| row.try_get(0)).transpose().map_err(unreadable)
        })
    }

    fn position_of_task(&self) -> TaskRead<Position> {
        let position = self.first_of_task::<i64>(&self.statements.position, Vec::new());
        let wakeups = Arc::clone(&self.line.wakeups);
        Box::pin(async move {
            let position = of_counter(position.await?)?;
            wakeups.known.raise(position.get());
            Ok(position)
        })
    }
}

/// A read of many events.
struct Pages {
    shared: Arc<Shared>,
    scan: Scan,
    names: NamesOf,
    /// The first column of the metadata.
    metadata: Option<usize>,
    /// How often another server had taken over before the first page.
    takeovers: u64,
    is_first: bool,
}

/// The names of the streams that the events of a page are in.
enum NamesOf {
    Stream(StreamName),
    All(Names),
}

impl Pages {
    /// Asks for the first page.
    fn begin(
        shared: &Arc<Shared>,
        mut scan: Scan,
        names: NamesOf,
        metadata: Option<usize>,
    ) -> TaskRead<Box<dyn Page>> {
        let takeovers = shared.timelines.takeovers();
        let rows = (!scan.is_empty()).then(|| {
            let (sql, values) = scan.ask();
            shared.ask_as_task(&sql, values)
        });
        let pages = Self { shared: Arc::clone(shared), scan, names, metadata, takeovers, is_first: true };
        Box::pin(async move {
            match rows {
                Some(rows) => pages.page(rows?).await,
                None => Ok(Box::new(ReadPage { rows: Vec::new(), names: pages.names, metadata, next: None })
                    as Box<dyn Page>),
            }
        })
    }

    fn boxed(self, rows: TaskPending) -> TaskRead<Box<dyn Page>> {
        Box::pin(self.page(rows))
    }

    /// Waits for a page, and asks for the next one.
    async fn page(mut self, rows: TaskPending) -> Result<Box<dyn Page>, StoreError> {
        let (shared, metadata) = (Arc::clone(&self.shared), self.metadata);
        let mut rows = rows.await?;
        loop {
            let now = shared.timelines.takeovers();
            if now == self.takeovers {
                break;
            }
            if !self.is_first {
                return Err(taken_over());
            }
            self.takeovers = now;
            let (sql, values) = self.scan.ask();
            rows = shared.ask_as_task(&sql, values)?.await?;
        }
        self.is_first = false;
        let has_next = match self.scan.next(&rows)? {
            Next::Page => true,
            Next::After(end) => signed(shared.position_of_task().await?.get()) > end,
            Next::End => false,
        };
        let next = if has_next {
            let (sql, values) = self.scan.ask();
            Some(shared.ask_as_task(&sql, values)?)
        } else {
            None
        };
        let names = match &self.names {
            NamesOf::Stream(stream) => NamesOf::Stream(stream.clone()),
            NamesOf::All(_) => {
                let (mut names, missing) = shared.names.known(&rows)?;
                if !missing.is_empty() {
                    let found =
                        shared.ask_as_task(&shared.statements.names, vec![Box::new(missing)])?.await?;
                    shared.names.add(&mut names, &found)?;
                }
                NamesOf::All(names)
            }
        };
        let next = next.map(|rows| self.boxed(rows));
        Ok(Box::new(ReadPage { rows, names, metadata, next }))
    }
}

/// A page that is there, and the next one, which has been asked for.
struct ReadPage {
    rows: Vec<Row>,
    names: NamesOf,
    metadata: Option<usize>,
    next: Option<TaskRead<Box<dyn Page>>>,
}

impl Page for ReadPage {
    fn visit(&self, visit: &mut Visit<'_>) -> Result<ControlFlow<()>, StoreError> {
        rows::each(&self.rows, |row| {
            let stream = match &self.names {
                NamesOf::Stream(stream) => stream,
                NamesOf::All(names) => names.of(row)?,
            };
            let mut event = rows::stored(row, stream, self.metadata)?;
            if let (NamesOf::Stream(_), None) = (&self.names, self.metadata) {
                event.envelope.id = rows::id(row)?;
            }
            Ok(visit(&event))
        })
    }

    fn next(self: Box<Self>) -> Option<TaskRead<Box<dyn Page>>> {
        self.next
    }
}

/// The rows of the statement for a snapshot: one, or none.
struct Snapshot(Vec<Row>);

impl ReadSnapshot for Snapshot {
    fn visit(&self, visit: &mut VisitSnapshot<'_>) -> Result<(), StoreError> {
        if let Some(row) = self.0.first() {
            visit(&snapshot(row).map_err(unreadable)?);
        }
        Ok(())
    }
}

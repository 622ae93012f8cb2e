//! Reads pages of rows, and lends them to a visitor.

use std::fmt::Write as _;
use std::ops::Deref;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, ToSql};
use uuid::Uuid;

use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::sqlite::file::errors::store_error;
use crate::sqlite::store::checksum::{Checksums, StreamHash};
use crate::sqlite::store::packed;
use crate::sqlite::store::rows::{
    ALL, REPLAYED, WITHOUT_METADATA, changed, counted, integer, position_of, replayed_event, stored_event,
    with_checksums,
};
use crate::sqlite::store::stream_names::StreamNames;
use crate::store::error::StoreError;
use crate::store::owned_event::{ByteLimit, COPIED_BYTES, OwnedEvent};
use crate::store::read::{Filter, Visit, VisitReplayed};

/// How many events one statement reads. A read transaction that stays open for a whole long read would let
/// the write-ahead log grow for as long.
const LENT_PAGE: usize = 4096;

/// After how many pages a long read checks the length of the log.
const PAGES_BETWEEN_LOOKS: u32 = 4;

/// How many pages the log may have before a long read pauses: 16 MiB, four times SQLite's target.
const LONG_LOG: i64 = 4_000;

/// How long a long read pauses then.
const PAUSE: Duration = Duration::from_millis(5);

/// How many events a read copies before it visits them, where it can't lend them.
const COPIED_PAGE: usize = 256;

/// How many names or categories are parameters of a statement. More are one parameter: SQLite has a limit, and
/// each number is another statement.
const MOST_PARAMETERS: usize = 100;

/// A read in pages, each of which begins after the last event that was seen.
pub(super) trait Pages {
    /// Reads the next page, of at most `limit` events, until `visit` breaks. Returns whether there may be more.
    fn next(
        &mut self,
        connection: &Connection,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<bool, StoreError>;
}

/// Which columns a read asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Those of `packed.rs`, until the first event that its checksum does not confirm.
    Packed,
    /// A column for each part of an event.
    Whole,
}

impl Form {
    fn of(checksums: Checksums) -> Self {
        if checksums == Checksums::Verified { Self::Packed } else { Self::Whole }
    }
}

/// Pauses between two pages of a long read, if the log has grown.
///
/// SQLite restarts the log only while no reader uses it, and the next page follows the last at once. Under
/// constant appends, the log would grow for as long as the read. The pause lets a writer restart it.
fn let_log_restart(connection: &Connection, pages: &mut u32) {
    *pages += 1;
    if pages.is_multiple_of(PAGES_BETWEEN_LOOKS) && connection.is_autocommit() {
        // `NOOP` only returns the length of the log.
        let length = connection
            .prepare_cached("PRAGMA wal_checkpoint(NOOP)")
            .and_then(|mut pragma| pragma.query_row((), |row| row.get::<_, i64>(1)));
        if length.is_ok_and(|length| length > LONG_LOG) {
            thread::sleep(PAUSE);
        }
    }
}

/// Reads page by page, and lends SQLite's own memory to `visit`.
pub(super) fn lend(
    connection: &Connection,
    mut pages: impl Pages,
    mut limit: usize,
    visit: &mut Visit<'_>,
) -> Result<(), StoreError> {
    let (mut broken_off, mut pages_read) = (false, 0);
    while limit > 0 && !broken_off {
        let wanted = limit.min(LENT_PAGE);
        let mut seen = 0;
        let is_more = pages.next(connection, wanted, &mut |event| {
            seen += 1;
            let flow = visit(event);
            broken_off = flow.is_break();
            flow
        })?;
        if !is_more {
            return Ok(());
        }
        limit -= seen;
        let_log_restart(connection, &mut pages_read);
    }
    Ok(())
}

/// Reads page by page. Copies each page under the lock that `lock` takes, and visits the copies with the lock
/// free.
pub(super) fn copy<C: Deref<Target = Connection>>(
    lock: impl Fn() -> Result<C, StoreError>,
    mut pages: impl Pages,
    mut limit: usize,
    visit: &mut Visit<'_>,
) -> Result<(), StoreError> {
    while limit > 0 {
        let wanted = limit.min(COPIED_PAGE);
        let (mut copies, mut bytes) = (Vec::new(), ByteLimit::new(COPIED_BYTES));
        let is_more = pages.next(&*lock()?, wanted, &mut |event| {
            copies.push((event.envelope.position, OwnedEvent::copy(event)));
            bytes.count(event)
        })?;
        for (position, event) in &copies {
            if visit(&event.as_stored(*position)).is_break() {
                return Ok(());
            }
        }
        if !is_more && !bytes.is_reached() {
            return Ok(());
        }
        limit -= copies.len();
    }
    Ok(())
}

/// The events of one stream.
pub(super) struct StreamPages<'a> {
    stream: &'a StreamName,
    hash: StreamHash,
    checksums: Checksums,
    from: Option<i64>,
}

impl<'a> StreamPages<'a> {
    pub(super) fn new(stream: &'a StreamName, after: u64, checksums: Checksums) -> Self {
        Self { stream, hash: StreamHash::of(stream), checksums, from: following(after) }
    }
}

impl Pages for StreamPages<'_> {
    fn next(
        &mut self,
        connection: &Connection,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<bool, StoreError> {
        let Some(from) = self.from else { return Ok(false) };
        let (category, key) = (self.stream.category(), self.stream.key());
        let mut select = connection
            .prepare_cached(&with_checksums(
                "SELECT position, version, name, schema, payload, checksum, stream, id, recorded_at, correlation,
                 causation, custom FROM factum_events
                 WHERE stream = (SELECT id FROM factum_streams WHERE category = ?1 AND key = ?2)
                 AND version >= ?3 ORDER BY version LIMIT ?4",
                self.checksums,
            ))
            .map_err(store_error)?;
        let mut rows = select.query((category, key, from, limit)).map_err(store_error)?;
        let mut seen = 0;
        while let Some(row) = rows.next().map_err(store_error)? {
            let event = stored_event(row, position_of(row)?, (self.stream, self.hash), true)?;
            self.from = following(event.envelope.version);
            seen += 1;
            if visit(&event).is_break() {
                break;
            }
        }
        Ok(seen == limit)
    }
}

/// Whether a stream has no event after a version.
pub(super) fn ends_at(connection: &Connection, stream: &StreamName, after: u64) -> rusqlite::Result<bool> {
    let Some(from) = following(after) else { return Ok(true) };
    connection
        .prepare_cached(
            "SELECT 1 FROM factum_events
             WHERE stream = (SELECT id FROM factum_streams WHERE category = ?1 AND key = ?2)
             AND version >= ?3 LIMIT 1",
        )?
        .exists((stream.category(), stream.key(), from))
        .map(|more| !more)
}

/// Whether the newest event of a stream is the one with this version and id.
pub(super) fn ends_with(
    connection: &Connection,
    stream: &StreamName,
    version: u64,
    id: Uuid,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT version = ?3 AND id = ?4 FROM factum_events
             WHERE stream = (SELECT id FROM factum_streams WHERE category = ?1 AND key = ?2)
             ORDER BY version DESC LIMIT 1",
        )?
        .query_row((stream.category(), stream.key(), version, id.as_bytes()), |row| row.get(0))
        .optional()
        .map(Option::unwrap_or_default)
}

/// Reads one stream page by page, with the columns that a replay needs. Returns the id of the last event.
pub(super) fn replay(
    connection: &Connection,
    stream: &StreamName,
    after: u64,
    mut limit: usize,
    checksums: Checksums,
    visit: &mut VisitReplayed<'_>,
) -> Result<Option<Uuid>, StoreError> {
    let hash = StreamHash::of(stream);
    let (mut version, mut pages_read, mut last) = (after, 0, None);
    let mut form = Form::of(checksums);
    while limit > 0
        && let Some(from) = following(version)
    {
        let columns = match form {
            Form::Packed => packed::replayed().into(),
            Form::Whole => with_checksums(REPLAYED, checksums),
        };
        let mut select = connection
            .prepare_cached(&format!(
                "SELECT {columns} FROM factum_events
                 WHERE stream = (SELECT id FROM factum_streams WHERE category = ?1 AND key = ?2)
                 AND version >= ?3 ORDER BY version LIMIT ?4"
            ))
            .map_err(store_error)?;
        let wanted = limit.min(LENT_PAGE);
        let (asked, mut seen) = (form, 0);
        let mut rows = select.query((stream.category(), stream.key(), from, wanted)).map_err(store_error)?;
        while let Some(row) = rows.next().map_err(store_error)? {
            let (event, checksum) = match asked {
                Form::Packed => match packed::replayed_event(row, version + 1, hash) {
                    Some((event, checksum)) => (event, Some(checksum)),
                    None => {
                        form = Form::Whole;
                        break;
                    }
                },
                Form::Whole => replayed_event(row, hash)?,
            };
            version = event.version;
            last = Some((event.position, checksum));
            seen += 1;
            if visit(&event).is_break() {
                limit = seen;
                break;
            }
        }
        drop(rows);
        if form == asked && seen < wanted {
            break;
        }
        limit -= seen;
        let_log_restart(connection, &mut pages_read);
    }
    match last {
        Some((position, _)) if checksums == Checksums::Ignored => {
            event_id(connection, position).map_err(store_error)
        }
        Some((position, checksum)) => id_at(connection, position, version, checksum),
        None => Ok(None),
    }
}

/// The id of the event at a position.
pub(super) fn event_id(connection: &Connection, position: Position) -> rusqlite::Result<Option<Uuid>> {
    connection
        .prepare_cached("SELECT id FROM factum_events WHERE position = ?1")?
        .query_row([signed(position)], |row| row.get(0).map(Uuid::from_bytes))
        .optional()
}

/// The id of the event at a position; `None` if it has another checksum by now.
///
/// Cheaper than the id of each event that a replay reads. Fails if the event has another version than expected. Those
/// before it then have theirs: versions rise, and each row has the next one or a later one.
fn id_at(
    connection: &Connection,
    position: Position,
    version: u64,
    checksum: Option<i64>,
) -> Result<Option<Uuid>, StoreError> {
    let found = connection
        .prepare_cached("SELECT id, version FROM factum_events WHERE position = ?1 AND checksum IS ?2")
        .and_then(|mut select| {
            let id_and_version = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)?));
            select.query_row((position.get(), checksum), id_and_version).optional()
        });
    match found.map_err(store_error)? {
        Some((id, found)) if u64::try_from(found) == Ok(version) => Ok(Some(Uuid::from_bytes(id))),
        Some((_, found)) => {
            counted(found, "version", signed(position))?;
            Err(changed(signed(position)))
        }
        None => Ok(None),
    }
}

/// The events of all streams that a filter lets pass.
pub(super) struct AllPages<'a> {
    sql: String,
    /// Names or categories that are too many for a parameter each, as JSON.
    lists: Vec<String>,
    /// Whether the query leaves other categories out. Otherwise, the reader does.
    selects_categories: bool,
    /// How many events the reader has passed on, and left out.
    passed: u64,
    others: u64,
    filter: Filter<'a>,
    checksums: Checksums,
    form: Form,
    names: StreamNames,
    from: Option<i64>,
}

impl<'a> AllPages<'a> {
    pub(super) fn new(filter: Filter<'a>, after: Position, checksums: Checksums) -> Result<Self, StoreError> {
        let mut pages = Self {
            sql: String::new(),
            lists: Vec::new(),
            selects_categories: filter.categories.len() > MOST_PARAMETERS,
            passed: 0,
            others: 0,
            filter,
            checksums,
            form: if filter.wants_metadata { Form::Whole } else { Form::of(checksums) },
            names: StreamNames::new(),
            from: following(after.get()),
        };
        pages.write_query()?;
        Ok(pages)
    }

    /// The names and categories that the query selects.
    fn selected(&self) -> [&'a [&'a str]; 2] {
        [self.filter.names, if self.selects_categories { self.filter.categories } else { &[] }]
    }

    /// Whether the query leaves no row out. Then it is cheaper if the reader, not the query, stops after `until`.
    fn reads_every_row(&self) -> bool {
        self.filter.partition.of() == 1 && self.selected().iter().all(|values| values.is_empty())
    }

    fn write_query(&mut self) -> Result<(), StoreError> {
        let columns = match self.form {
            Form::Packed => packed::without_metadata().into(),
            Form::Whole if self.filter.wants_metadata => with_checksums(ALL, self.checksums),
            Form::Whole => with_checksums(WITHOUT_METADATA, self.checksums),
        };
        let mut sql = format!("SELECT {columns} FROM factum_events WHERE position >= ?1");
        if !self.reads_every_row() {
            // The reader would look for `until` behind all rows that the query leaves out.
            sql.push_str(" AND position <= ?2");
        }
        let mut parameter = 3;
        // The query looks the category up for each event. Otherwise, SQLite would go through the streams of a
        // category and sort their events, again for each page.
        let category = "(SELECT category FROM factum_streams WHERE factum_streams.id = stream)";
        self.lists.clear();
        for (column, values) in ["name", category].into_iter().zip(self.selected()) {
            if values.len() > MOST_PARAMETERS {
                let _ = write!(sql, " AND {column} IN (SELECT value FROM json_each(?{parameter}))");
                parameter += 1;
                let list = serde_json::to_string(values).map_err(|error| StoreError::Other(error.into()))?;
                self.lists.push(list);
            } else if !values.is_empty() {
                let marks =
                    (0..values.len()).map(|index| format!("?{}", parameter + index)).collect::<Vec<_>>();
                let _ = write!(sql, " AND {column} IN ({})", marks.join(", "));
                parameter += values.len();
            }
        }
        let (index, of) = (self.filter.partition.index(), self.filter.partition.of());
        if of > 1 {
            // The remainder of a negative number is negative. Only damage leaves such a stream.
            let _ = write!(sql, " AND (stream % {of} + {of}) % {of} = {index}");
        }
        let _ = write!(sql, " ORDER BY position LIMIT ?{parameter}");
        self.sql = sql;
        Ok(())
    }
}

/// How many events of other categories a reader passes over before it lets the query leave them out, if they
/// are not fewer than those that pass.
///
/// A reader knows the names of streams, and needs no look-up for each event, as the query does. The query is
/// faster at events that it leaves out.
const OTHERS: u64 = 64;

impl Pages for AllPages<'_> {
    fn next(
        &mut self,
        connection: &Connection,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<bool, StoreError> {
        let Some(from) = self.from else { return Ok(false) };
        let until = self.filter.until.map_or(i64::MAX, signed);
        let mut parameters: Vec<&dyn ToSql> = vec![&from, &until];
        let mut lists = self.lists.iter();
        for values in self.selected() {
            if values.len() > MOST_PARAMETERS {
                parameters.extend(lists.next().map(|list| list as &dyn ToSql));
            } else {
                parameters.extend(values.iter().map(|value| value as &dyn ToSql));
            }
        }
        parameters.push(&limit);
        let wanted = if self.selects_categories { &[] } else { self.filter.categories };
        let mut select = connection.prepare_cached(&self.sql).map_err(store_error)?;
        let mut rows = select.query(&*parameters).map_err(store_error)?;
        let (mut last, mut seen) = (None, 0);
        let asked = self.form;
        while let Some(row) = rows.next().map_err(store_error)? {
            let position = match asked {
                Form::Packed => packed::position_of(row)?,
                Form::Whole => position_of(row)?,
            };
            if position > until {
                break;
            }
            let event = match asked {
                Form::Packed => match packed::stored_event(connection, row, position, &mut self.names) {
                    Some(event) => event,
                    None => {
                        self.form = Form::Whole;
                        break;
                    }
                },
                Form::Whole => {
                    let stream =
                        self.names.get(connection, integer(row, 6, "stream", position)?, position)?;
                    stored_event(row, position, stream, self.filter.wants_metadata)?
                }
            };
            seen += 1;
            // Checked before it is left out: damage may have moved it into another stream.
            last = Some(event.envelope.position.get());
            if !wanted.is_empty() && !wanted.contains(&event.envelope.category) {
                self.others += 1;
                if self.others >= OTHERS.max(self.passed) {
                    self.selects_categories = true;
                    break;
                }
                continue;
            }
            self.passed += 1;
            if visit(&event).is_break() {
                break;
            }
        }
        if let Some(last) = last {
            self.from = following(last);
        }
        let is_changed = self.form != asked || (!wanted.is_empty() && self.selects_categories);
        drop(rows);
        drop(select);
        if is_changed {
            self.write_query()?;
        }
        Ok(is_changed || seen == limit)
    }
}

/// Reads the events of all streams after a position, on a connection that the caller holds. Verifies their checksums.
pub(crate) fn read_all(
    connection: &Connection,
    filter: Filter<'_>,
    after: Position,
    limit: usize,
    visit: &mut Visit<'_>,
) -> Result<(), StoreError> {
    lend(connection, AllPages::new(filter, after, Checksums::Verified)?, limit, visit)
}

/// The version of the newest event in a stream; 0 if there is none.
pub(super) fn stream_version(connection: &Connection, stream: &StreamName) -> Result<u64, StoreError> {
    connection
        .prepare_cached(
            "SELECT max(version) FROM factum_events
             WHERE stream = (SELECT id FROM factum_streams WHERE category = ?1 AND key = ?2)",
        )
        .and_then(|mut select| {
            select.query_row((stream.category(), stream.key()), |row| row.get::<_, Option<u64>>(0))
        })
        .map(Option::unwrap_or_default)
        .map_err(store_error)
}

/// The position of the newest event.
pub(crate) fn position(connection: &Connection) -> Result<Position, StoreError> {
    let (first, newest) = connection
        .prepare_cached(
            "SELECT (SELECT min(position) FROM factum_events), (SELECT max(position) FROM factum_events)",
        )
        .and_then(|mut select| select.query_row((), |row| Ok((row.get(0)?, row.get(1)?))))
        .map_err(store_error)?;
    let (Some(first), Some(newest)) = (first, newest) else { return Ok(Position::START) };
    // Positions below 1 are out of the reach of readers that begin later.
    counted(first, "position", first)?;
    counted(newest, "position", newest).map(Position::new)
}

/// The categories of the streams. Each step of the recursion is one look into the index of streams.
pub(super) fn categories(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached(
            "WITH RECURSIVE found (category) AS (
                 SELECT min(category) FROM factum_streams
                 UNION ALL
                 SELECT (SELECT min(category) FROM factum_streams WHERE category > found.category)
                 FROM found WHERE found.category IS NOT NULL
             )
             SELECT category FROM found WHERE category IS NOT NULL",
        )?
        .query_map((), |row| row.get(0))?
        .collect()
}

/// The position of the next event after a position.
pub(crate) fn next_position(
    connection: &Connection,
    after: Position,
) -> Result<Option<Position>, StoreError> {
    let Some(from) = following(after.get()) else { return Ok(None) };
    let next: Option<i64> = connection
        .prepare_cached("SELECT min(position) FROM factum_events WHERE position >= ?1")
        .and_then(|mut select| select.query_row([from], |row| row.get(0)))
        .map_err(store_error)?;
    next.map(|next| counted(next, "position", next).map(Position::new)).transpose()
}

/// The least number of a read after a version or position; `None` if there is none. From the start, it is the
/// least integer, so that the read finds damaged numbers below 1.
fn following(after: u64) -> Option<i64> {
    if after == 0 { Some(i64::MIN) } else { i64::try_from(after).ok()?.checked_add(1) }
}

/// A position as an integer of SQLite. Nothing is stored beyond the greatest one.
fn signed(position: Position) -> i64 {
    i64::try_from(position.get()).unwrap_or(i64::MAX)
}

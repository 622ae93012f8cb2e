//! The new view takes the place of the old one, in one transaction.

use std::collections::HashSet;
use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use uuid::Uuid;

use super::Sqlite;
use super::batch::{Part, project};
use super::rebuild::rebuild_id;
use crate::following::{Holder, View, forget, known};
use crate::projection::{CaughtUp, Projection, ProjectionError};
use crate::store::sqlite::{self, store_error};

/// What the rebuild's file is called meanwhile.
const REBUILT: &str = "factum_rebuilt";

/// Puts what is in the file of the rebuild `id` in the place of the view, and projects what has been appended since. `None` if
/// it is no longer the rebuild, or the lease another's.
///
/// Readers see the old view or the new one; who wants to append waits as long as it takes to copy the tables.
pub(super) fn swap<P: Projection<Target = Sqlite>>(
    view: &View,
    projection: &mut P,
    rebuilt: &Path,
    id: Uuid,
    holder: &Holder,
) -> Result<Option<CaughtUp>, ProjectionError> {
    let failed = |error| ProjectionError::store::<P>(store_error(error));
    let writer = view.home.writer().map_err(ProjectionError::store::<P>)?;
    // Neither can be changed within a transaction.
    let _attached = Attached::new(&writer, rebuilt).map_err(failed)?;
    let _unchecked = Unchecked::new(&writer).map_err(failed)?;
    let transaction = Transaction::new_unchecked(&writer, TransactionBehavior::Immediate).map_err(failed)?;
    if !holder.take(&transaction).map_err(failed)?
        || rebuild_id::<P>(&transaction, "main").map_err(failed)? != Some(id)
    {
        return Ok(None);
    }
    // One that had the lease before may have taken the file away: what was attached then is an empty one.
    if !rebuild_id::<P>(&transaction, REBUILT).is_ok_and(|found| found == Some(id)) {
        return Ok(None);
    }
    let tables = |source: rusqlite::Error| match store_error(source) {
        crate::StoreError::Other(source) => ProjectionError::Tables { projection: P::NAME, source },
        source => ProjectionError::store::<P>(source),
    };
    let new = objects(&transaction, REBUILT).map_err(tables)?;
    drop_old::<P>(&transaction, &new).map_err(tables)?;
    create_new(&transaction, &new).map_err(tables)?;
    forget::<P>(&transaction)?;
    take_over::<P>(&transaction, &new).map_err(failed)?;
    let events = project_rest(view, projection, &transaction).map_err(|error| *error)?;
    let position = known::<P>(&transaction)?.position();
    transaction.commit().map_err(failed)?;
    Ok(Some(CaughtUp { events, position }))
}

/// The rebuild's file, attached to the connection for as long as this lives.
struct Attached<'c>(&'c Connection);

impl<'c> Attached<'c> {
    fn new(connection: &'c Connection, path: &Path) -> rusqlite::Result<Self> {
        let path = path.to_str().ok_or_else(|| rusqlite::Error::InvalidPath(path.into()))?;
        connection.execute(&format!("ATTACH ?1 AS {REBUILT}"), [path])?;
        Ok(Self(connection))
    }
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        // Statements that have looked into it keep it from going.
        self.0.flush_prepared_statement_cache();
        let _ = self.0.execute_batch(&format!("DETACH {REBUILT}"));
    }
}

/// Without checks of foreign keys for as long as this lives: they hold in the rebuild's file, and tables come and go in an order
/// that knows nothing of them.
struct Unchecked<'c> {
    connection: &'c Connection,
    before: bool,
}

impl<'c> Unchecked<'c> {
    fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        let before = connection.pragma_query_value(None, "foreign_keys", |row| row.get(0))?;
        connection.pragma_update(None, "foreign_keys", false)?;
        Ok(Self { connection, before })
    }
}

impl Drop for Unchecked<'_> {
    fn drop(&mut self) {
        let _ = self.connection.pragma_update(None, "foreign_keys", self.before);
    }
}

/// Something in a database's schema.
struct Object {
    /// `table`, `index`, `view` or `trigger`.
    kind: String,
    name: String,
    sql: String,
}

impl Object {
    fn is_virtual(&self) -> bool {
        self.sql.get(..14).is_some_and(|start| start.eq_ignore_ascii_case("CREATE VIRTUAL"))
    }

    /// A virtual table of FTS3 to FTS5, whose rows have ids that are no column.
    fn is_text_index(&self) -> bool {
        self.is_virtual() && self.words().contains("usingfts")
    }

    /// A text index that does not keep the texts, and so has nothing to be copied from.
    fn keeps_no_content(&self) -> bool {
        let words = self.words();
        self.is_text_index() && (words.contains("content=''") || words.contains("content=\"\""))
    }

    fn words(&self) -> String {
        self.sql
            .chars()
            .filter(|character| !character.is_whitespace())
            .collect::<String>()
            .to_ascii_lowercase()
    }
}

/// Whether all that the projection has made can be copied.
pub(super) fn check_objects<P: Projection>(rebuilt: &Connection) -> Result<(), ProjectionError> {
    let objects =
        objects(rebuilt, "main").map_err(|error| ProjectionError::store::<P>(store_error(error)))?;
    let Some(table) = objects.iter().find(|object| object.keeps_no_content()) else { return Ok(()) };
    let source =
        format!("`{}` has no content that could be copied; `reset` makes the view anew in place", table.name);
    Err(ProjectionError::Tables { projection: P::NAME, source: source.into() })
}

/// What handlers and `init` have made in the rebuild's file, in the order in which they did.
fn objects(connection: &Connection, database: &str) -> rusqlite::Result<Vec<Object>> {
    connection
        .prepare(&format!(
            "SELECT type, name, sql FROM {database}.sqlite_schema
             WHERE sql IS NOT NULL AND substr(lower(name), 1, 7) NOT IN ('factum_', 'sqlite_')
             AND name NOT IN (SELECT name FROM pragma_table_list WHERE schema = '{database}' AND type = 'shadow')
             ORDER BY rowid"
        ))?
        .query_map((), |row| Ok(Object { kind: row.get(0)?, name: row.get(1)?, sql: row.get(2)? }))?
        .collect()
}

/// Takes away what the old view consists of: what was recorded when it was made or, if nothing was, what has the names of the
/// new one.
fn drop_old<P: Projection>(transaction: &Transaction<'_>, new: &[Object]) -> rusqlite::Result<()> {
    let mut recorded: HashSet<String> = transaction
        .prepare("SELECT name FROM factum_objects WHERE projection = ?1")?
        .query_map([P::NAME], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    if recorded.is_empty() {
        recorded = new.iter().map(|object| object.name.clone()).collect();
    }
    let present: Vec<Object> = transaction
        .prepare("SELECT type, name, sql FROM main.sqlite_schema WHERE sql IS NOT NULL")?
        .query_map((), |row| Ok(Object { kind: row.get(0)?, name: row.get(1)?, sql: row.get(2)? }))?
        .collect::<Result<_, _>>()?;
    // A virtual table takes its own tables with it, which can't go by themselves.
    let order = |object: &Object| match (&*object.kind, object.is_virtual()) {
        ("trigger", _) => 0,
        ("view", _) => 1,
        ("index", _) => 2,
        (_, true) => 3,
        (_, false) => 4,
    };
    let mut old: Vec<_> = present.iter().filter(|object| recorded.contains(&object.name)).collect();
    old.sort_by_key(|object| order(object));
    for Object { kind, name, .. } in old {
        transaction.execute_batch(&format!("DROP {kind} IF EXISTS main.{}", quoted(name)))?;
    }
    Ok(())
}

/// Makes the new view's tables and fills them; what depends on them comes after, so that no trigger runs and each index is
/// made in one go.
fn create_new(transaction: &Transaction<'_>, new: &[Object]) -> rusqlite::Result<()> {
    let (tables, rest): (Vec<_>, Vec<_>) = new.iter().partition(|object| object.kind == "table");
    for table in tables {
        transaction.execute_batch(&table.sql)?;
        copy(transaction, table)?;
    }
    rest.into_iter().try_for_each(|object| transaction.execute_batch(&object.sql))?;
    let counts = format!("SELECT 1 FROM {REBUILT}.sqlite_schema WHERE name = 'sqlite_sequence'");
    if transaction.prepare(&counts)?.exists(())? {
        // What AUTOINCREMENT goes on from.
        transaction.execute_batch(&format!(
            "DELETE FROM main.sqlite_sequence WHERE name IN (SELECT name FROM {REBUILT}.sqlite_sequence);
             INSERT INTO main.sqlite_sequence (name, seq) SELECT name, seq FROM {REBUILT}.sqlite_sequence;"
        ))?;
    }
    Ok(())
}

/// Copies the rows of a table. Where all columns can be written, SQLite copies them as they lie, without taking them apart.
fn copy(transaction: &Transaction<'_>, table: &Object) -> rusqlite::Result<()> {
    let name = quoted(&table.name);
    let columns: Vec<(String, i64)> = transaction
        .prepare("SELECT name, hidden FROM pragma_table_xinfo(?1, ?2)")?
        .query_map((&table.name, REBUILT), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    // Those that are hidden or generated are not written.
    let written = columns.iter().filter(|(_, hidden)| *hidden == 0);
    let mut written: Vec<_> = written.map(|(column, _)| quoted(column)).collect();
    let sql = if table.is_virtual() {
        if table.is_text_index() {
            written.insert(0, "rowid".into());
        }
        let columns = written.join(", ");
        format!("INSERT INTO main.{name} ({columns}) SELECT {columns} FROM {REBUILT}.{name}")
    } else if written.len() == columns.len() {
        format!("INSERT INTO main.{name} SELECT * FROM {REBUILT}.{name}")
    } else {
        let columns = written.join(", ");
        format!("INSERT INTO main.{name} ({columns}) SELECT {columns} FROM {REBUILT}.{name}")
    };
    transaction.execute_batch(&sql)
}

/// The new view's progress, dead letters and objects become the view's; the rebuild is over.
fn take_over<P: Projection>(transaction: &Transaction<'_>, new: &[Object]) -> rusqlite::Result<()> {
    for table in ["factum_checkpoints", "factum_parts", "factum_dead_letters"] {
        transaction.execute(&format!("DELETE FROM main.{table} WHERE projection = ?1"), [P::NAME])?;
        transaction.execute(
            &format!("INSERT INTO main.{table} SELECT * FROM {REBUILT}.{table} WHERE projection = ?1"),
            [P::NAME],
        )?;
    }
    transaction.execute("DELETE FROM main.factum_objects WHERE projection = ?1", [P::NAME])?;
    let mut insert =
        transaction.prepare("INSERT INTO main.factum_objects (projection, name) VALUES (?1, ?2)")?;
    new.iter().try_for_each(|object| insert.execute((P::NAME, &object.name)).map(drop))?;
    transaction.execute("DELETE FROM main.factum_rebuilds WHERE projection = ?1", [P::NAME]).map(drop)
}

/// Projects what has been appended since the rebuild came near the end, so that the view does not go back in time. If that
/// fails, the view is where the rebuild was, and the next step meets the event that it failed at.
fn project_rest<P: Projection<Target = Sqlite>>(
    view: &View,
    projection: &mut P,
    transaction: &Transaction<'_>,
) -> Result<u64, Box<ProjectionError>> {
    let failed = |error| Box::new(ProjectionError::store::<P>(store_error(error)));
    let newest = match &view.source {
        Some(source) => source.position(),
        None => sqlite::position(transaction),
    };
    let newest = newest.map_err(|error| Box::new(ProjectionError::store::<P>(error)))?;
    transaction.execute_batch("SAVEPOINT factum_rest").map_err(failed)?;
    let layout = known::<P>(transaction).map_err(Box::new)?;
    let mut events = 0;
    let rest =
        layout.parts().filter(|(_, position)| *position < newest).try_for_each(|(partition, position)| {
            let part = Part { source: view.source.as_deref(), partition, position };
            events += project(projection, transaction, &part, newest, usize::MAX)?.events as u64;
            Ok::<_, crate::following::Failed>(())
        });
    match rest {
        Ok(()) => {}
        // There is no transaction any more to go back in.
        Err(failed) if transaction.is_autocommit() => return Err(Box::new(failed.error)),
        Err(_) => {
            events = 0;
            transaction.execute_batch("ROLLBACK TO factum_rest").map_err(failed)?;
        }
    }
    transaction.execute_batch("RELEASE factum_rest").map_err(failed)?;
    Ok(events)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

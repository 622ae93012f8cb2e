//! Replaces the old view by the rebuilt one, in one transaction.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use uuid::Uuid;

use crate::follow::batch::Bounds;
use crate::follow::checkpoint;
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::{FollowError, ProjectionError};
use crate::follow::event_hooks::Watch;
use crate::follow::lease::{LeaseAnswer, LeaseHolder};
use crate::follow::progress::CaughtUp;
use crate::follow::progress_store::ProgressHome;
use crate::follow::progress_store::ProgressStore;
use crate::follow::projection::Projection;
use crate::follow::step::FailedStep;
use crate::sqlite::file::errors::{database_error, store_error, violated_constraint};
use crate::sqlite::progress::rebuilds;
use crate::sqlite::projection::batch::{PartitionSource, project};
use crate::sqlite::projection::objects::{self, Object};
use crate::sqlite::projection::target::SqliteTarget;
use crate::sqlite::store::SqliteStore;

/// How the names begin under which the rebuild's file is attached. A number follows.
const REBUILT: &str = "factum_rebuilt";

/// How many databases SQLite attaches to one connection.
const MOST_ATTACHED: u8 = 10;

/// Replaces the old view by the new one, from the file of the rebuild `id`, and projects the events that are
/// left.
///
/// `None` if the rebuild is no longer `id`, or another process has the lease.
///
/// Readers see the old view or the new one; appends wait as long as it takes to copy the tables.
///
/// If what is left can't be committed, the new view stays where it is, and the next step meets the event that is the
/// reason.
pub(super) fn swap<P: Projection<Target: SqliteTarget>>(
    home: &ProgressHome<SqliteStore>,
    definition: &FollowerDefinition,
    projection: &mut P,
    rebuilt: &Path,
    id: Uuid,
    holder: &LeaseHolder,
) -> Result<Option<CaughtUp>, ProjectionError> {
    match swap_in(home, definition, Some(projection), rebuilt, id, holder) {
        Err(ProjectionError::Follow(FollowError::CommitRefused { .. })) => {
            swap_in::<P>(home, definition, None, rebuilt, id, holder)
        }
        swapped => swapped,
    }
}

/// Replaces the old view. With a projection, projects the events that are left.
fn swap_in<P: Projection<Target: SqliteTarget>>(
    home: &ProgressHome<SqliteStore>,
    definition: &FollowerDefinition,
    projection: Option<&mut P>,
    rebuilt: &Path,
    id: Uuid,
    holder: &LeaseHolder,
) -> Result<Option<CaughtUp>, ProjectionError> {
    let follower = definition.name;
    let store_failed = FollowError::store(follower);
    let failed = |error| store_failed(store_error(error));
    if !fs::exists(rebuilt).is_ok_and(|exists| exists) {
        return Ok(None);
    }
    let writer = home.progress.writer().map_err(store_failed)?;
    // SQLite allows neither within a transaction.
    let attached = Attached::new(&writer, rebuilt).map_err(failed)?;
    let unchecked = WithoutForeignKeys::new(&writer).map_err(failed)?;
    let transaction = writer.begin_with(begin).map_err(failed)?;
    // Another program may have made a view of a newer version.
    checkpoint::find_in::<SqliteStore>(&transaction, definition)?;
    if SqliteStore::take_lease(&transaction, holder).map_err(store_failed)? != LeaseAnswer::Taken
        || rebuilds::find(&transaction, "main", definition).map_err(failed)? != Some(id)
    {
        return Ok(None);
    }
    // Another program may have removed the file. An empty one was attached then.
    if !rebuilds::find(&transaction, &attached.name, definition).is_ok_and(|found| found == Some(id)) {
        return Ok(None);
    }
    let tables = |error: rusqlite::Error| match database_error(&error) {
        Some(source) => store_failed(source).into(),
        None => ProjectionError::Init { projection: follower, source: error.into() },
    };
    let new = objects::objects(&transaction, &attached.name).map_err(tables)?;
    drop_old(&transaction, follower, &new).map_err(tables)?;
    create_new(&transaction, &attached.name, &new).map_err(tables)?;
    take_over(&transaction, &attached.name, follower, &new).map_err(failed)?;
    drop(unchecked);
    let events = match projection {
        Some(projection) => project_rest(home, definition, projection, &transaction)?,
        None => 0,
    };
    let position = checkpoint::require_in::<SqliteStore>(&transaction, definition)?.position();
    transaction.commit().map_err(|error| match violated_constraint(store_error(error)) {
        Ok(source) => FollowError::CommitRefused { follower, position, source },
        Err(source) => store_failed(source),
    })?;
    Ok(Some(CaughtUp { events, position }))
}

/// Begins a transaction that writes to the store's file and reads the other one.
///
/// An immediate transaction would lock both files: while it has the store's lock, it would wait for the other
/// one's. The first statement takes the lock of the file that it writes to, and waits for that alone.
fn begin(writer: &Connection) -> rusqlite::Result<Transaction<'_>> {
    let transaction = Transaction::new_unchecked(writer, TransactionBehavior::Deferred)?;
    transaction.execute("DELETE FROM main.factum_leases WHERE name IS NULL", ())?;
    Ok(transaction)
}

/// The rebuild's file, attached to the connection for as long as this lives.
struct Attached<'c> {
    connection: &'c Connection,
    /// The name under which it is attached.
    name: String,
}

impl<'c> Attached<'c> {
    fn new(connection: &'c Connection, path: &Path) -> rusqlite::Result<Self> {
        let name = |number| format!("{REBUILT}_{number}");
        // An earlier rebuild may be attached still: memory was short, or a handler has left a statement open.
        let free = (0..MOST_ATTACHED).map(name).find(|name| detach(connection, name).is_ok());
        let name = free.unwrap_or_else(|| name(MOST_ATTACHED));
        // As bytes: a path need not be UTF-8.
        let path = ToSqlOutput::Borrowed(ValueRef::Text(path.as_os_str().as_encoded_bytes()));
        connection.execute(&format!("ATTACH ?1 AS {name}"), [path])?;
        Ok(Self { connection, name })
    }
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        // Cached statements that have read from the file keep it attached.
        self.connection.flush_prepared_statement_cache();
        // If this fails, the next rebuild tries it again.
        let _ = detach(self.connection, &self.name);
    }
}

/// Detaches the database of this name, if there is one.
fn detach(connection: &Connection, name: &str) -> rusqlite::Result<()> {
    let found = "SELECT 1 FROM pragma_database_list WHERE name = ?1";
    if connection.prepare(found)?.exists([name])? {
        connection.execute_batch(&format!("DETACH {name}"))?;
    }
    Ok(())
}

/// Turns the checks of foreign keys off for as long as this lives.
///
/// The keys hold in the rebuild's file, and the swap drops and creates tables in an order that does not
/// respect them.
struct WithoutForeignKeys<'c> {
    connection: &'c Connection,
    before: bool,
}

impl<'c> WithoutForeignKeys<'c> {
    fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        let before = connection.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
        Ok(Self { connection, before })
    }
}

impl Drop for WithoutForeignKeys<'_> {
    fn drop(&mut self) {
        let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, self.before);
    }
}

/// Drops the old view's objects: the recorded ones or, if none are recorded, those with the names of the new
/// view's.
fn drop_old(transaction: &Transaction<'_>, projection: &str, new: &[Object]) -> rusqlite::Result<()> {
    let mut recorded: HashSet<String> = transaction
        .prepare("SELECT name FROM factum_objects WHERE projection = ?1")?
        .query_map([projection], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    if recorded.is_empty() {
        recorded = new.iter().map(|object| object.name.clone()).collect();
    }
    let present: Vec<Object> = transaction
        .prepare("SELECT type, name, sql FROM main.sqlite_schema WHERE sql IS NOT NULL")?
        .query_map((), |row| Ok(Object { kind: row.get(0)?, name: row.get(1)?, sql: row.get(2)? }))?
        .collect::<Result<_, _>>()?;
    // Virtual tables come before tables: they drop their shadow tables, which can't be dropped by themselves.
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
        transaction.execute_batch(&format!("DROP {kind} IF EXISTS main.{}", objects::quote(name)))?;
    }
    Ok(())
}

/// Creates the new view's tables and fills them. Objects that depend on them come after the rows, so that no
/// trigger runs and each index is built at once.
fn create_new(transaction: &Transaction<'_>, rebuilt: &str, new: &[Object]) -> rusqlite::Result<()> {
    let (tables, rest): (Vec<_>, Vec<_>) = new.iter().partition(|object| object.kind == "table");
    for table in tables {
        transaction.execute_batch(&table.sql)?;
        copy_rows(transaction, rebuilt, table)?;
    }
    rest.into_iter().try_for_each(|object| transaction.execute_batch(&object.sql))?;
    let counts = format!("SELECT 1 FROM {rebuilt}.sqlite_schema WHERE name = 'sqlite_sequence'");
    if transaction.prepare(&counts)?.exists(())? {
        // The numbers from which `AUTOINCREMENT` continues.
        transaction.execute_batch(&format!(
            "DELETE FROM main.sqlite_sequence WHERE name IN (SELECT name FROM {rebuilt}.sqlite_sequence);
             INSERT INTO main.sqlite_sequence (name, seq) SELECT name, seq FROM {rebuilt}.sqlite_sequence;"
        ))?;
    }
    Ok(())
}

/// Copies the rows of a table. If all columns can be written, SQLite copies whole rows without decoding them.
fn copy_rows(transaction: &Transaction<'_>, rebuilt: &str, table: &Object) -> rusqlite::Result<()> {
    let name = objects::quote(&table.name);
    let columns: Vec<(String, i64)> = transaction
        .prepare("SELECT name, hidden FROM pragma_table_xinfo(?1, ?2)")?
        .query_map((&table.name, rebuilt), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    // Hidden and generated columns are not written.
    let written = columns.iter().filter(|(_, hidden)| *hidden == 0);
    let mut written: Vec<_> = written.map(|(column, _)| objects::quote(column)).collect();
    let sql = if table.is_virtual() {
        if table.is_text_index() {
            written.insert(0, "rowid".into());
        }
        let columns = written.join(", ");
        format!("INSERT INTO main.{name} ({columns}) SELECT {columns} FROM {rebuilt}.{name}")
    } else if written.len() == columns.len() {
        format!("INSERT INTO main.{name} SELECT * FROM {rebuilt}.{name}")
    } else {
        let columns = written.join(", ");
        format!("INSERT INTO main.{name} ({columns}) SELECT {columns} FROM {rebuilt}.{name}")
    };
    transaction.execute_batch(&sql)
}

/// Takes over the progress, dead letters and objects of the new view, and ends the rebuild.
fn take_over(
    transaction: &Transaction<'_>,
    rebuilt: &str,
    projection: &str,
    new: &[Object],
) -> rusqlite::Result<()> {
    for table in ["factum_checkpoints", "factum_parts", "factum_dead_letters"] {
        transaction.execute(&format!("DELETE FROM main.{table} WHERE projection = ?1"), [projection])?;
        transaction.execute(
            &format!("INSERT INTO main.{table} SELECT * FROM {rebuilt}.{table} WHERE projection = ?1"),
            [projection],
        )?;
    }
    objects::record(transaction, projection, new.iter().map(|object| &object.name))?;
    transaction.execute("DELETE FROM main.factum_rebuilds WHERE projection = ?1", [projection]).map(drop)
}

/// Projects the events that the rebuild has not seen, so that the view's position does not decrease.
///
/// If an event fails, the view stays at the rebuild's position, and the next step fails at the same event.
fn project_rest<P: Projection<Target: SqliteTarget>>(
    home: &ProgressHome<SqliteStore>,
    definition: &FollowerDefinition,
    projection: &mut P,
    transaction: &Transaction<'_>,
) -> Result<u64, FollowError> {
    let follower = definition.name;
    let failed = |error| FollowError::Store { follower, source: store_error(error) };
    let newest = home.newest_in(transaction, follower)?;
    transaction.execute_batch("SAVEPOINT factum_rest").map_err(failed)?;
    let positions = checkpoint::require_in::<SqliteStore>(transaction, definition)?;
    let mut events = 0;
    let rest = positions.each().filter(|(_, after)| *after < newest).try_for_each(|(partition, after)| {
        let source = PartitionSource { source: home.source.as_deref(), partition, after };
        let batch =
            project(projection, Watch::NONE, definition, transaction, &source, Bounds::until(newest))?;
        events += batch.events as u64;
        Ok::<_, FailedStep>(())
    });
    match rest {
        Ok(()) => {}
        // The transaction is gone, so there is no savepoint to return to.
        Err(failed) if transaction.is_autocommit() => return Err(failed.error),
        Err(_) => {
            events = 0;
            transaction.execute_batch("ROLLBACK TO factum_rest").map_err(failed)?;
        }
    }
    transaction.execute_batch("RELEASE factum_rest").map_err(failed)?;
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attached(connection: &Connection) -> Vec<String> {
        let mut names =
            connection.prepare("SELECT name FROM pragma_database_list WHERE name <> 'main'").unwrap();
        names.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// No user can make a `DETACH` fail. A lack of memory can.
    #[test]
    fn a_file_that_stays_attached_does_not_prevent_the_next_rebuild() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rebuilt.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t AS SELECT 1 UNION SELECT 2").unwrap();
        let connection = Connection::open_in_memory().unwrap();
        std::mem::forget(Attached::new(&connection, &path).unwrap());
        assert_eq!(attached(&connection), ["factum_rebuilt_0"]);
        drop(Attached::new(&connection, &path).unwrap());
        assert_eq!(attached(&connection), [""; 0], "it is detached first");

        std::mem::forget(Attached::new(&connection, &path).unwrap());
        let mut open = connection.prepare("SELECT * FROM factum_rebuilt_0.t").unwrap();
        let mut rows = open.query(()).unwrap();
        rows.next().unwrap();
        drop(Attached::new(&connection, &path).unwrap());
        assert_eq!(attached(&connection), ["factum_rebuilt_0"], "another name was used");
        drop(rows);
        drop(Attached::new(&connection, &path).unwrap());
        assert_eq!(attached(&connection), [""; 0]);
    }

    #[test]
    fn foreign_keys_are_checked_again_also_within_a_transaction() {
        let connection = Connection::open_in_memory().unwrap();
        for before in [true, false] {
            connection.pragma_update(None, "foreign_keys", before).unwrap();
            let unchecked = WithoutForeignKeys::new(&connection).unwrap();
            connection.execute_batch("BEGIN").unwrap();
            drop(unchecked);
            connection.execute_batch("ROLLBACK").unwrap();
            let after: bool = connection.pragma_query_value(None, "foreign_keys", |row| row.get(0)).unwrap();
            assert_eq!(after, before);
        }
    }
}

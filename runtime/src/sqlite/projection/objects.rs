//! The tables, indexes, views and triggers of a projection, and their record in `factum_objects`.

use std::collections::BTreeSet;

use rusqlite::{Connection, Transaction};

use crate::follow::error::{FollowError, ProjectionError};
use crate::sqlite::file::errors::store_error;
use crate::sqlite::file::handler_sql::own_sql;

/// An object in a database's schema.
pub(super) struct Object {
    /// `table`, `index`, `view` or `trigger`.
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) sql: String,
}

impl Object {
    pub(super) fn is_virtual(&self) -> bool {
        self.sql.get(..14).is_some_and(|start| start.eq_ignore_ascii_case("CREATE VIRTUAL"))
    }

    /// Whether this is a virtual table of FTS3 to FTS5, whose row ids are not a column.
    pub(super) fn is_text_index(&self) -> bool {
        self.is_virtual() && self.words().contains("usingfts")
    }

    /// Whether this is a text index without content of its own, which can't be copied.
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

/// Checks that all tables of the projection can be copied.
pub(super) fn check_objects(rebuilt: &Connection, projection: &'static str) -> Result<(), ProjectionError> {
    let objects = objects(rebuilt, "main")
        .map_err(|error| FollowError::Store { follower: projection, source: store_error(error) })?;
    let Some(table) = objects.iter().find(|object| object.keeps_no_content()) else { return Ok(()) };
    let source = format!(
        "`{}` has no content that could be copied; `from_scratch` rebuilds the view in place",
        table.name
    );
    Err(ProjectionError::Init { projection, source: source.into() })
}

/// The objects that `init` and the handlers have created in the rebuild's file, in order of creation.
pub(super) fn objects(connection: &Connection, database: &str) -> rusqlite::Result<Vec<Object>> {
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

/// Records the names of the objects that a projection has created, in place of the earlier record.
pub(super) fn record<'o>(
    transaction: &Transaction<'_>,
    projection: &str,
    names: impl IntoIterator<Item = &'o String>,
) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM main.factum_objects WHERE projection = ?1", [projection])?;
    let mut insert = transaction
        .prepare_cached(own_sql!("INSERT INTO main.factum_objects (projection, name) VALUES (?1, ?2)"))?;
    names.into_iter().try_for_each(|name| insert.execute((projection, name)).map(drop))
}

/// The names of all tables, indexes, views and triggers in the file that are not SQLite's own.
pub(super) fn created(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    connection
        .prepare_cached(
            "SELECT name FROM main.sqlite_schema WHERE sql IS NOT NULL AND substr(lower(name), 1, 7) <> 'sqlite_'",
        )?
        .query_map((), |row| row.get(0))?
        .collect()
}

/// A name as an SQL identifier.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

//! Rebuilds of views: rows of `factum_rebuilds`, each with an id that the rebuild's own file has too.

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use crate::follow::definition::FollowerDefinition;

/// The id of the rebuild that is recorded in the database attached under this name, if the definition is the
/// projection's present one.
///
/// A view's file records the rebuild that is under way, a rebuild's file its own.
pub(crate) fn find(
    connection: &Connection,
    database: &str,
    definition: &FollowerDefinition,
) -> rusqlite::Result<Option<Uuid>> {
    let sql = format!(
        "SELECT id FROM {database}.factum_rebuilds WHERE projection = ?1 AND version = ?2 AND definition = ?3"
    );
    connection
        .query_row(&sql, (definition.name, definition.version, definition.fingerprint()), |row| {
            row.get::<_, [u8; 16]>(0)
        })
        .optional()
        .map(|id| id.map(Uuid::from_bytes))
}

/// The version of the projection that is being rebuilt, if the view is.
pub(crate) fn version(connection: &Connection, projection: &str) -> rusqlite::Result<Option<u32>> {
    connection
        .query_row("SELECT version FROM factum_rebuilds WHERE projection = ?1", [projection], |row| {
            row.get(0)
        })
        .optional()
}

/// Records a rebuild in place of another one of the view.
pub(super) fn save(
    connection: &Connection,
    definition: &FollowerDefinition,
    id: Uuid,
) -> rusqlite::Result<()> {
    connection
        .execute(
            "REPLACE INTO factum_rebuilds (projection, version, definition, id) VALUES (?1, ?2, ?3, ?4)",
            (definition.name, definition.version, definition.fingerprint(), id.as_bytes()),
        )
        .map(drop)
}

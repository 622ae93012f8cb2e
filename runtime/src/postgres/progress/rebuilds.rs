//! Rebuilds of views: rows of `rebuilds`.

use uuid::Uuid;

use crate::follow::definition::FollowerDefinition;
use crate::postgres::sql::{Ask, get, number, values};
use crate::postgres::transaction::PostgresTransaction;
use crate::store::error::StoreError;

/// The id of the rebuild that is recorded, if the definition is the view's present one.
pub(crate) fn find(ask: &impl Ask, definition: &FollowerDefinition) -> Result<Option<Uuid>, StoreError> {
    ask.first(
        "SELECT id FROM {schema}.rebuilds WHERE follower = $1 AND version = $2 AND definition = $3",
        values![definition.name.to_owned(), i64::from(definition.version), definition.fingerprint()],
        |row| get(row, 0),
    )
}

/// The version of the projection that is being rebuilt, if the view is.
pub(crate) fn version(transaction: &PostgresTransaction, follower: &str) -> Result<Option<u32>, StoreError> {
    let sql = "SELECT version FROM {schema}.rebuilds WHERE follower = $1";
    transaction.first(sql, values![follower.to_owned()], |row| number(row, 0))
}

/// Records a rebuild in place of another one of the view.
pub(super) fn save(
    transaction: &PostgresTransaction,
    definition: &FollowerDefinition,
    id: Uuid,
) -> Result<(), StoreError> {
    transaction.write(
        "INSERT INTO {schema}.rebuilds (follower, version, definition, id) VALUES ($1, $2, $3, $4)
         ON CONFLICT (follower) DO UPDATE SET version = excluded.version, definition = excluded.definition,
           id = excluded.id",
        values![definition.name.to_owned(), i64::from(definition.version), definition.fingerprint(), id],
    )
}

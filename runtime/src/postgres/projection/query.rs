//! Queries on the tables of views.

use crate::follow::keeps::{AskServing, KeepsSql};
use crate::follow::sql::error::SqlError;
use crate::follow::sql::transaction::{SqlStatements, SqlTransaction};
use crate::postgres::projection::schema::{self, ViewSchema};
use crate::postgres::projection::serving;
use crate::postgres::projection::target::PostgresDriver;
use crate::postgres::projection::view_transaction::ViewTransaction;
use crate::postgres::projection::views::MARKER;
use crate::postgres::store::PostgresStore;
use crate::store::error::StoreError;

/// Queries are planned as they would be without the store's settings, which suit its own statements.
const PLANS: &str =
    "SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on;
    SET LOCAL plan_cache_mode = auto";

impl KeepsSql for PostgresStore {
    fn read_sql<T>(
        &self,
        view: &'static str,
        read: impl FnOnce(&mut dyn SqlTransaction, &AskServing<'_>) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let failed = |source| SqlError::Store { view, source };
        let store = self.schema_name();
        let name = schema::name(store, view);
        let quoted = schema::quoted(&name);
        let transaction = self.begin_reading().map_err(failed)?;
        // The lock comes before the state that the queries see: a lock takes no snapshot.
        let enter = format!(
            "LOCK TABLE {quoted}.{MARKER} IN ACCESS SHARE MODE; SET LOCAL search_path TO {quoted}; {PLANS};
             SELECT id FROM {quoted}.{MARKER}"
        );
        let id = match transaction.run_for_text(&enter) {
            Ok(id) => id.unwrap_or_default(),
            Err(StoreError::Other(source)) if is_missing(&source) => return Err(SqlError::NoView { view }),
            Err(error) => return Err(failed(error)),
        };
        let tables = ViewSchema { name, mark: format!("/*{id}*/") };
        let serving = || match serving::serving(&transaction, view) {
            Ok(found) => found.ok_or(SqlError::NoView { view }),
            Err(error) => Err(failed(error)),
        };
        let view = ViewTransaction::new(&transaction, &tables, store);
        read(&mut SqlStatements::new(PostgresDriver(&view)), &serving)
    }
}

/// Whether the server knows no such schema or table.
fn is_missing(error: &crate::domain::error::BoxError) -> bool {
    use tokio_postgres::error::SqlState;
    let error = error.downcast_ref::<tokio_postgres::Error>();
    let code = error.and_then(tokio_postgres::Error::code);
    code.is_some_and(|code| [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME].contains(code))
}

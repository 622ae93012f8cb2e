//! The schemas of views beside that of the store.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::new_id::new_id;
use crate::follow::checkpoint;
use crate::follow::checkpoint::FoundCheckpoint;
use crate::follow::definition::FollowerDefinition;
use crate::follow::engine::Engine;
use crate::follow::error::{FollowError, ProjectionError};
use crate::follow::inline_view::InlineState;
use crate::follow::lease::LeaseHolder;
use crate::follow::progress::CaughtUp;
use crate::follow::progress_store::ProgressStore as _;
use crate::follow::projection::Projection;
use crate::follow::rebuild::Rebuild;
use crate::follow::seen::Seen;
use crate::follow::view_store::{TableTarget, ViewStore};
use crate::postgres::progress::{leases, rebuilds};
use crate::postgres::projection::batch::refused_by_server;
use crate::postgres::projection::inline;
use crate::postgres::projection::rebuild;
use crate::postgres::projection::schema::{self, ViewSchema};
use crate::postgres::projection::target::PostgresTarget;
use crate::postgres::projection::view_transaction;
use crate::postgres::sql::{Ask as _, values};
use crate::postgres::store::PostgresStore;
use crate::postgres::transaction::PostgresTransaction;
use crate::store::error::StoreError;

/// The table in each view's schema that readers lock, so that a rebuilt view takes the place of this one before or after
/// them. It has the id of the rebuild that has made it.
pub(super) const MARKER: &str = "factum_view";

impl ViewStore for PostgresStore {
    /// A transaction holds nothing that appends wait for.
    const BATCH_TIME: Duration = Duration::from_millis(200);

    fn start_view(
        transaction: &PostgresTransaction,
        definition: &FollowerDefinition,
    ) -> Result<(), ProjectionError> {
        lock(transaction, definition).map_err(FollowError::store(definition.name))?;
        // Another program may have been faster.
        match checkpoint::find_in::<Self>(transaction, definition)? {
            FoundCheckpoint::Nothing => make_view(transaction, definition, new_id()),
            FoundCheckpoint::Older { .. } | FoundCheckpoint::Current(_) => Ok(()),
        }
    }

    fn rebuilt_version(transaction: &PostgresTransaction, follower: &str) -> Result<Option<u32>, StoreError> {
        rebuilds::version(transaction, follower)
    }

    fn seize_lease(transaction: &PostgresTransaction, holder: &LeaseHolder) -> Result<(), StoreError> {
        leases::seize(transaction, holder)
    }

    fn is_rebuilt_by(
        &self,
        definition: &FollowerDefinition,
        holder: &LeaseHolder,
        id: Uuid,
    ) -> Result<bool, StoreError> {
        Ok(leases::is_left(self, holder)? && rebuilds::find(self, definition)? == Some(id))
    }
}

impl<T: PostgresTarget> TableTarget<PostgresStore> for T {
    fn build<P: Projection<Target = Self>>(
        rebuild: &Rebuild<'_>,
        engine: &mut Engine<P, PostgresStore>,
        holder: &LeaseHolder,
        id: Uuid,
    ) -> Result<Option<CaughtUp>, ProjectionError> {
        rebuild::build(rebuild, engine, holder, id)
    }

    fn run_inline<P: Projection<Target = Self> + Send + 'static>(
        store: &PostgresStore,
        projection: P,
        state: InlineState,
    ) -> Result<(), ProjectionError> {
        inline::register(store, projection, state)
    }
}

/// Lets no other program make or drop the view's schema before the transaction ends.
pub(super) fn lock(
    transaction: &PostgresTransaction,
    definition: &FollowerDefinition,
) -> Result<(), StoreError> {
    let name = schema::name(transaction.store().schema_name(), definition.name);
    transaction
        .one::<bool>("SELECT pg_advisory_xact_lock(hashtextextended($1, 0)) IS NOT NULL", values![name])?;
    Ok(())
}

/// Creates the view's schema and tables, and its checkpoint before the first event.
pub(super) fn make_view(
    transaction: &PostgresTransaction,
    definition: &FollowerDefinition,
    id: Uuid,
) -> Result<(), ProjectionError> {
    let (follower, failed) = (definition.name, FollowError::store(definition.name));
    let refused = |source| ProjectionError::Init { projection: follower, source };
    let schema = ViewSchema::of(transaction.store().schema_name(), definition);
    if let Some(reason) = view_transaction::refused_definition(definition.init) {
        return Err(refused(reason.into()));
    }
    let (quoted, enter) = (schema.quoted(), schema.enter());
    let create = format!(
        "CREATE SCHEMA {quoted}; CREATE TABLE {quoted}.{MARKER} (id uuid NOT NULL);
         INSERT INTO {quoted}.{MARKER} VALUES ('{id}'); {enter}"
    );
    let made = transaction.run(&create).and_then(|()| transaction.run(definition.init));
    made.map_err(|error| match refused_by_server(error) {
        Ok(source) => refused(source),
        Err(error) => failed(error).into(),
    })?;
    PostgresStore::repartition(transaction, definition, 1, &Seen::START).map_err(failed)?;
    Ok(())
}

/// Drops the view's schema, with all that is in it.
pub(super) fn drop_schema(
    transaction: &PostgresTransaction,
    definition: &FollowerDefinition,
) -> Result<(), StoreError> {
    let name = schema::quoted(&schema::name(transaction.store().schema_name(), definition.name));
    // Readers lock the marker before all else, so none of them has a table that this one waits for.
    let lock = lock_marker(&name, "ACCESS EXCLUSIVE");
    transaction.run(&format!("{lock}; DROP SCHEMA IF EXISTS {name} CASCADE"))
}

/// The statement that locks the marker of a view, if the view is there. `schema` is the quoted name of its schema.
pub(super) fn lock_marker(schema: &str, mode: &str) -> String {
    format!(
        "DO $factum$ BEGIN LOCK TABLE {schema}.{MARKER} IN {mode} MODE;
         EXCEPTION WHEN undefined_table OR invalid_schema_name THEN END $factum$"
    )
}

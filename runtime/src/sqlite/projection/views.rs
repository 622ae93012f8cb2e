//! The tables of views in a SQLite file.

use std::time::Duration;

use rusqlite::Transaction;
use uuid::Uuid;

use crate::follow::definition::FollowerDefinition;
use crate::follow::engine::{BATCH_TIME, Engine};
use crate::follow::error::ProjectionError;
use crate::follow::inline_view::InlineState;
use crate::follow::lease::LeaseHolder;
use crate::follow::progress::CaughtUp;
use crate::follow::projection::Projection;
use crate::follow::rebuild::Rebuild;
use crate::follow::view_store::{TableTarget, ViewStore};
use crate::sqlite::file::errors::store_error;
use crate::sqlite::progress::{leases, rebuilds};
use crate::sqlite::projection::inline::InlineProjection;
use crate::sqlite::projection::rebuild;
use crate::sqlite::projection::target::SqliteTarget;
use crate::sqlite::store::SqliteStore;
use crate::store::error::StoreError;

impl ViewStore for SqliteStore {
    const BATCH_TIME: Duration = BATCH_TIME;

    fn start_view(
        transaction: &Transaction<'_>,
        definition: &FollowerDefinition,
    ) -> Result<(), ProjectionError> {
        rebuild::start_view(transaction, definition)
    }

    fn rebuilt_version(transaction: &Transaction<'_>, follower: &str) -> Result<Option<u32>, StoreError> {
        rebuilds::version(transaction, follower).map_err(store_error)
    }

    fn seize_lease(transaction: &Transaction<'_>, holder: &LeaseHolder) -> Result<(), StoreError> {
        leases::seize(transaction, holder).map_err(store_error)
    }

    fn is_rebuilt_by(
        &self,
        definition: &FollowerDefinition,
        holder: &LeaseHolder,
        id: Uuid,
    ) -> Result<bool, StoreError> {
        self.with_reader(
            |connection| {
                let is_left = leases::is_left(connection, holder).map_err(store_error)?;
                let found = rebuilds::find(connection, "main", definition).map_err(store_error)?;
                Ok(is_left && found == Some(id))
            },
            |error| error,
        )
    }
}

impl<T: SqliteTarget> TableTarget<SqliteStore> for T {
    fn build<P: Projection<Target = Self>>(
        rebuild: &Rebuild<'_>,
        engine: &mut Engine<P, SqliteStore>,
        holder: &LeaseHolder,
        id: Uuid,
    ) -> Result<Option<CaughtUp>, ProjectionError> {
        rebuild::build(rebuild, engine, holder, id)
    }

    fn run_inline<P: Projection<Target = Self> + Send + 'static>(
        store: &SqliteStore,
        projection: P,
        state: InlineState,
    ) -> Result<(), ProjectionError> {
        InlineProjection::new(projection, state).register(store)
    }
}

//! Where progress is kept, and where events come from.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::projection::{Projection, ProjectionError};
use crate::store::EventStore;
use crate::store::sqlite::{SqliteStore, store_error};

/// A file with a view, or with nothing but the progress of one, and the store that its events come from.
#[derive(Clone)]
pub(crate) struct View {
    /// The file: that of a store, which has what it takes.
    pub(crate) home: SqliteStore,
    /// Where the events are, if not in that file.
    pub(crate) source: Option<Arc<dyn EventStore>>,
}

impl View {
    /// Where the events are.
    pub(crate) fn events(&self) -> &dyn EventStore {
        match &self.source {
            Some(source) => &**source,
            None => &self.home,
        }
    }

    pub(crate) fn newest<P: Projection>(&self) -> Result<u64, ProjectionError> {
        self.events().position().map_err(ProjectionError::store::<P>)
    }

    /// Waits for events from others; see [`EventStore::wait_for`].
    pub(crate) fn wait_for<P: Projection>(
        &self,
        position: u64,
        timeout: Duration,
    ) -> Result<u64, ProjectionError> {
        self.events().wait_for(position, timeout).map_err(ProjectionError::store::<P>)
    }

    /// Runs `work` in a write transaction: all of it or, on an error or a panic, nothing.
    pub(crate) fn in_transaction<P: Projection, T, E: From<ProjectionError>>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let failed = |error| ProjectionError::store::<P>(store_error(error));
        let mut writer = self.home.writer().map_err(ProjectionError::store::<P>)?;
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let result = work(&transaction)?;
        transaction.commit().map_err(failed)?;
        Ok(result)
    }

    pub(crate) fn on_reader<P: Projection, T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, ProjectionError>,
    ) -> Result<T, ProjectionError> {
        self.home.with_reader(read, ProjectionError::store::<P>)
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("home", &self.home).finish_non_exhaustive()
    }
}

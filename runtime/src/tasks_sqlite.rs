//! What takes long on a file of SQLite, in tasks. Apart from `tasks`, which knows no database.

use std::path::Path;

use rusqlite::Connection;

use crate::sqlite::file::maintenance::BackupError;
use crate::sqlite::store::SqliteStore;
use crate::sqlite::store::check::Damage;
use crate::sqlite::store::query::QueryError;
use crate::store::error::StoreError;
use crate::tasks::blocking;

/// In tasks of tokio, with the feature `tokio`: see [`factum::tasks`](crate::tasks).
impl SqliteStore {
    /// Runs `read` in a transaction that only reads, as [`query`](Self::query) does.
    pub async fn query_async<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, QueryError> {
        let store = self.clone();
        blocking(move || store.query(read)).await
    }

    /// Copies the whole store into a new file, as [`backup`](Self::backup) does.
    pub async fn backup_async(&self, path: impl AsRef<Path> + Send) -> Result<(), BackupError> {
        let (store, path) = (self.clone(), path.as_ref().to_owned());
        blocking(move || store.backup(path)).await
    }

    /// Checks the whole file for damage, as [`check`](Self::check) does.
    pub async fn check_async(&self) -> Result<Vec<Damage>, StoreError> {
        let store = self.clone();
        blocking(move || store.check()).await
    }

    /// Returns unused space to the file system, as [`vacuum`](Self::vacuum) does.
    pub async fn vacuum_async(&self) -> Result<(), StoreError> {
        let store = self.clone();
        blocking(move || store.vacuum()).await
    }
}

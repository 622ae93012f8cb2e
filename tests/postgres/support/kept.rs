//! The database of followers, for tests that run on SQLite and on PostgreSQL: a schema of the server that the tests share.

use std::ops::ControlFlow;
use std::path::Path;

use factum::Position;
use factum::postgres::PostgresOptions;
use factum::prelude::*;
use factum::store::{Filter, StoredEvent};
use tempfile::TempDir;

use super::stores::LONG;
use crate::server;

/// The store that keeps events and followers.
pub(crate) type KeptStore = PostgresStore;
pub(crate) type KeptReaction<R> = PostgresReaction<R>;
pub(crate) type KeptProcess<P> = PostgresProcess<P>;

/// The variable with the URL of the server for a job.
const URL: &str = "FACTUM_TEST_POSTGRES";

/// Stores to test on.
pub(crate) fn kept_stores(folder: &TempDir) -> [KeptStore; 1] {
    [open_kept(folder.path())]
}

/// A store that is only for this test.
pub(crate) fn new_kept() -> KeptStore {
    server::shared_or_end().new_store()
}

/// The store that belongs to a folder. Each call is as another program.
pub(crate) fn open_kept(folder: &Path) -> KeptStore {
    open_at(folder, &url())
}

/// The server that the tests share, also with their jobs.
pub(crate) fn url() -> String {
    std::env::var(URL).unwrap_or_else(|_| server::shared_or_end().url())
}

/// The store that belongs to a folder, by another way to the server.
pub(crate) fn open_at(folder: &Path, url: &str) -> KeptStore {
    let options = PostgresOptions::new().schema(schema_of(folder));
    options.lock_timeout(LONG).outage_timeout(LONG).connect(url).unwrap()
}

/// Runs SQL past the store that belongs to a folder. Its tables begin with `factum_`. Returns the first column of each row.
pub(crate) fn kept_sql(folder: &Path, sql: &str) -> Vec<String> {
    server::shared_or_end().sql(&sql.replace("factum_", &format!("\"{}\".", schema_of(folder))))
}

/// Changes the event version of all stored events of a name.
pub(crate) fn set_event_version(folder: &Path, name: &str, version: u32) {
    kept_sql(folder, &format!("UPDATE factum_events SET event_version = {version} WHERE name = '{name}'"));
}

/// Checks the store itself: its positions have no gap.
pub(crate) fn check(store: &KeptStore) {
    let mut newest = Position::START;
    let mut visit = |event: &StoredEvent<'_>| {
        assert_eq!(event.envelope.position, newest.next());
        newest = event.envelope.position;
        ControlFlow::Continue(())
    };
    store.read_all(Filter::new(), Position::START, usize::MAX, &mut visit).unwrap();
    assert_eq!(store.position().unwrap(), newest);
}

/// What a job needs of this process, besides its folder.
pub(crate) fn job_environment() -> [(&'static str, String); 1] {
    [(URL, server::shared_or_end().url())]
}

/// The name of a folder is unique, and begins with a point.
pub(crate) fn schema_of(folder: &Path) -> String {
    let name = folder.file_name().unwrap().to_string_lossy();
    format!("of{}", name.replace(|char: char| !char.is_ascii_alphanumeric(), "_"))
}

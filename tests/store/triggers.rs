//! Triggers that a user adds to the tables of a store.

use factum::Position;
use factum::prelude::*;
use factum::sqlite::rusqlite::Connection;
use factum::store::{AppendError, StoreError};

use crate::support::fragile::{Fragile, change};

/// A user's trigger can skip a row or undo everything. The store reports both as errors, and a failed
/// snapshot fails no command.
#[test]
fn a_trigger_that_undoes_an_append_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let store = SqliteStore::open(&file).unwrap();
    let fragile = store.repository::<Fragile>();
    fragile.execute(change(false)).unwrap();
    let sql = |sql: &str| Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    sql("CREATE TRIGGER t BEFORE INSERT ON factum_events BEGIN SELECT RAISE(IGNORE); END");
    let error = fragile.execute(change(false)).unwrap_err();
    assert!(
        matches!(error, ExecuteError::Append(AppendError::Store { source: StoreError::Other(_), .. })),
        "{error}"
    );
    assert_eq!(store.position().unwrap(), Position::new(1));
    sql("DROP TRIGGER t;
         CREATE TRIGGER t BEFORE INSERT ON factum_snapshots BEGIN SELECT RAISE(ROLLBACK, 'no snapshots'); END");
    for version in 2..8 {
        assert_eq!(fragile.execute(change(false)).unwrap().version(), version);
    }
    assert!(fragile.statistics().snapshots_taken > 1);
    assert_eq!(store.position().unwrap(), Position::new(7));
}

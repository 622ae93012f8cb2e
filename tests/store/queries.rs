//! Queries on the tables of a store.

use factum::prelude::*;
use factum::sqlite::rusqlite::{self};

use crate::support::account::{Account, deposit, id, open};
use crate::support::stores::sqlite_stores;

#[test]
fn a_query_can_neither_write_nor_stay_in_the_past() {
    let directory = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&directory) {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        let written = store.query(|connection| connection.execute("DELETE FROM factum_events", ()));
        assert!(written.is_err());
        // A query that fails in the middle, one that panics, and one that ends our transaction and begins its
        // own.
        store.query(|connection| connection.execute_batch("SELECT * FROM nowhere")).unwrap_err();
        let panics = || store.query(|_| -> rusqlite::Result<()> { panic!("a query that panics") });
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).unwrap_err();
        store
            .query(|connection| connection.execute_batch("COMMIT; BEGIN; SELECT * FROM factum_events"))
            .unwrap();
        for version in 2..5 {
            assert_eq!(accounts.execute(deposit("alice", 1)).unwrap().version(), version);
        }
        assert_eq!(accounts.load(&id("alice")).unwrap().version(), 4);
    }
}

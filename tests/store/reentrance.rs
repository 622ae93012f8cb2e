//! A handler that uses the store that runs it.

use factum::prelude::*;
use factum::sqlite::rusqlite::Transaction;

use crate::support::account::{Account, Opened, deposit, open};
use crate::support::chain::chain;
use crate::support::stores::sqlite_stores;

#[test]
fn a_handler_that_uses_its_own_store_gets_an_error() {
    /// Executes a command from its handler.
    #[derive(Projection)]
    #[projection(events(Opened), from(Account), into = Sqlite)]
    struct Eager {
        accounts: Repository<Account, SqliteStore>,
    }

    #[handlers]
    impl Eager {
        #[project]
        fn opened(&self, _: &Opened) -> Result<(), BoxError> {
            self.accounts.execute(deposit("alice", 1))?;
            Ok(())
        }
    }

    let directory = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&directory) {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        let mut eager = SqliteProjection::new(&store, Eager { accounts: accounts.clone() }).unwrap();
        let error = chain(&eager.catch_up().unwrap_err());
        assert!(
            error.ends_with("the store can't be used again by a handler or query that holds it"),
            "{error}"
        );
        assert_eq!(accounts.execute(deposit("alice", 1)).unwrap().version(), 2);
    }
}

/// Printing a store from a handler that holds it does not deadlock, and shows no data.
#[test]
fn a_store_can_be_printed_from_within_its_handlers() {
    #[derive(Projection)]
    #[projection(events(Opened), from(Account), into = Sqlite)]
    struct Prints {
        accounts: Repository<Account, SqliteStore>,
    }

    #[handlers]
    impl Prints {
        #[project]
        fn opened(&self, _: &Opened, _: &str, transaction: &Transaction<'_>) {
            let printed = format!("{:?}", self.accounts);
            assert!(printed.len() < 200 && !transaction.is_autocommit(), "{printed}");
        }
    }

    let store = SqliteStore::in_memory().unwrap();
    let accounts = store.repository::<Account>();
    SqliteProjection::new(&store, Prints { accounts: accounts.clone() }).unwrap().inline().unwrap();
    accounts.execute(open("alice")).unwrap();
}

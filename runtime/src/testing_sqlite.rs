//! Tests of a view in SQLite without a store of the user's. Apart from `testing`, which knows no database.

#![expect(clippy::panic, reason = "an expectation that is not met is a panic")]

use std::fmt::Debug;

use rusqlite::{Connection, Row};

use crate::domain::error::with_causes;
use crate::domain::time::Timestamp;
use crate::follow::error::ProjectionError;
use crate::follow::projection::Projection;
use crate::sqlite::file::open::OpenError;
use crate::sqlite::projection::SqliteProjection;
use crate::sqlite::projection::target::SqliteTarget;
use crate::sqlite::store::SqliteStore;
use crate::testing::{History, KeepsView, Projected, check_equal};

#[diagnostic::do_not_recommend]
impl<T: SqliteTarget> KeepsView for T {
    type Kept<P: Projection<Target = Self>> = SqliteStore;

    fn project<P: Projection<Target = Self>>(
        view: P,
        history: &History,
    ) -> (SqliteStore, Result<(), ProjectionError>) {
        let store = opened(SqliteStore::in_memory());
        history.store(&store, Timestamp::now());
        let outcome = SqliteProjection::new(&store, view).and_then(|mut view| view.catch_up()).map(drop);
        (store, outcome)
    }
}

#[track_caller]
fn opened(store: Result<SqliteStore, OpenError>) -> SqliteStore {
    match store {
        Ok(store) => store,
        Err(error) => panic!("{}", with_causes(&error)),
    }
}

#[expect(clippy::return_self_not_must_use, reason = "a test may end with any expectation")]
impl<P: Projection<Target: SqliteTarget>> Projected<P> {
    /// Expects these rows of a query, in order. A row is a tuple of what its columns are read as: `(String, i64)`; with
    /// one column, `(i64,)`.
    ///
    /// ```
    /// # use factum::prelude::*;
    /// # use factum::sqlite::rusqlite::{self, Transaction};
    /// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
    /// # use bank::*;
    /// use factum::testing::{of, project};
    ///
    /// #[derive(Projection)]
    /// #[projection(
    ///     events(MoneyDeposited),
    ///     from(BankAccount),
    ///     into = Sqlite,
    ///     init = "CREATE TABLE deposits (account TEXT NOT NULL, cents INTEGER NOT NULL)",
    /// )]
    /// struct Deposits;
    ///
    /// #[handlers]
    /// impl Deposits {
    ///     #[project]
    ///     fn deposited(
    ///         &self,
    ///         event: &MoneyDeposited,
    ///         id: &AccountId,
    ///         transaction: &Transaction<'_>,
    ///     ) -> rusqlite::Result<()> {
    ///         let row = (&id.0, event.cents.cast_signed());
    ///         transaction.execute("INSERT INTO deposits VALUES (?1, ?2)", row).map(drop)
    ///     }
    /// }
    ///
    /// project(Deposits, of::<BankAccount>(AccountId("alice".into()), MoneyDeposited { cents: 50 }))
    ///     .then_rows("SELECT account, cents FROM deposits", &[("alice".to_owned(), 50)]);
    /// ```
    ///
    /// # Panics
    ///
    /// If the query fails or has other rows, or if a handler failed.
    #[track_caller]
    pub fn then_rows<T>(self, sql: &str, expected: &[T]) -> Self
    where
        T: Debug + PartialEq,
        T: for<'r> TryFrom<&'r Row<'r>, Error = rusqlite::Error>,
    {
        let found = self.query(|view| {
            let mut statement = view.prepare(sql)?;
            let rows = statement.query_map((), |row| T::try_from(row))?;
            rows.collect::<rusqlite::Result<Vec<T>>>()
        });
        check_equal(&format!("the rows are not the ones expected{}", self.after()), expected, &found[..]);
        self
    }

    /// Reads from the database, for all other checks of a test.
    ///
    /// # Panics
    ///
    /// If the query fails, or if a handler failed.
    #[track_caller]
    pub fn query<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> T {
        match self.kept().query(query) {
            Ok(found) => found,
            Err(error) => panic!("the query has failed{}:\n  {}", self.after(), with_causes(&error)),
        }
    }
}

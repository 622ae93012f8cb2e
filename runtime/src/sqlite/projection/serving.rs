//! Which version of a view serves queries.

use rusqlite::Connection;

use crate::follow::projection::Projection;
use crate::follow::serving::ServingView;
use crate::sqlite::progress::{checkpoints, rebuilds};
use crate::sqlite::projection::SqliteProjection;
use crate::sqlite::projection::target::SqliteTarget;

impl<P: Projection<Target: SqliteTarget>> SqliteProjection<P> {
    /// Which version of the view serves; `None` if no program has made the view yet.
    ///
    /// While a new version is rebuilt, the tables of the old one serve. A program that knows both can query
    /// either. In one transaction with the query, the answer fits the tables:
    ///
    /// ```
    /// # use factum::prelude::*;
    /// # use factum::sqlite::rusqlite::{self, Transaction};
    /// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
    /// # use bank::*;
    /// # #[derive(Projection)]
    /// # #[projection(from(BankAccount), events(MoneyDeposited), into = Sqlite)]
    /// # #[projection(version = 2, init = "CREATE TABLE deposits (cents INTEGER NOT NULL)")]
    /// # struct Deposits;
    /// # #[handlers]
    /// # impl Deposits {
    /// #     #[project]
    /// #     fn deposited(&self, event: &MoneyDeposited, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    /// #         transaction.execute("INSERT INTO deposits VALUES (?1)", [event.cents.cast_signed()]).map(drop)
    /// #     }
    /// # }
    /// # let store = SqliteStore::in_memory()?;
    /// # SqliteProjection::new(&store, Deposits)?;
    /// let total: u64 = store.query(|connection| {
    ///     let serving = SqliteProjection::<Deposits>::serving(connection)?;
    ///     let sql = match serving.map(|view| view.version) {
    ///         Some(1) => "SELECT coalesce(sum(amount), 0) FROM deposits",
    ///         _ => "SELECT coalesce(sum(cents), 0) FROM deposits",
    ///     };
    ///     connection.query_row(sql, (), |row| row.get(0))
    /// })?;
    /// # assert_eq!(total, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Fails if the connection can't read the store's tables.
    pub fn serving(connection: &Connection) -> rusqlite::Result<Option<ServingView>> {
        let found = checkpoints::find(connection, P::NAME)?;
        let rebuilding = rebuilds::version(connection, P::NAME)?;
        Ok(found.map(|found| ServingView::of(&found, rebuilding)))
    }
}

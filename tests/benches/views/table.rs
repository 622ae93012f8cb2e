//! The view of these benchmarks: one row for each account, which each event changes.

use factum::prelude::*;
use factum::sqlite::{ViewTransaction, rusqlite};

use crate::account::{Account, MoneyDeposited};

/// The usual statement of such a view.
pub(crate) const UPSERT: &str = "INSERT INTO balances VALUES (?1, ?2)
                                 ON CONFLICT DO UPDATE SET balance = balance + excluded.balance";

pub(crate) const TABLE: &str =
    "CREATE TABLE balances (account TEXT PRIMARY KEY, balance INTEGER NOT NULL) WITHOUT ROWID";

#[derive(Projection)]
#[projection(events(MoneyDeposited), from(Account), into = Sqlite, init = TABLE)]
pub(crate) struct Balances;

#[handlers]
impl Balances {
    #[project]
    fn deposited(
        &self,
        event: &MoneyDeposited,
        account: &str,
        transaction: &ViewTransaction<'_>,
    ) -> rusqlite::Result<()> {
        transaction.with(UPSERT, |upsert| upsert.execute((account, event.cents.cast_signed()))).map(drop)
    }
}

/// The sum of all balances that `fill` deposited.
pub(crate) fn total(store: &SqliteStore) -> Result<u64, factum::sqlite::QueryError> {
    store.query(|connection| connection.query_row("SELECT sum(balance) FROM balances", (), |row| row.get(0)))
}

//! The view that all of this is about: one row an account, changed by each event.

use factum::prelude::*;
use factum::sqlite::{ViewTransaction, rusqlite};

use crate::account::MoneyDeposited;

/// As whoever writes a view writes it.
pub(crate) const UPSERT: &str = "INSERT INTO balances VALUES (?1, ?2)
                                 ON CONFLICT DO UPDATE SET balance = balance + excluded.balance";

pub(crate) const TABLE: &str =
    "CREATE TABLE balances (account TEXT PRIMARY KEY, balance INTEGER NOT NULL) WITHOUT ROWID";

#[derive(Projection)]
#[projection(events(MoneyDeposited), into = Sqlite, init = TABLE)]
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

/// What all balances come to, for what was deposited by `fill`.
pub(crate) fn total(store: &SqliteStore) -> Result<u64, factum::sqlite::QueryError> {
    store.query(|connection| connection.query_row("SELECT sum(balance) FROM balances", (), |row| row.get(0)))
}

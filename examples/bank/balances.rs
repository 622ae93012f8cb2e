//! The balances of all accounts, as a table in the file that the events are in, or in another one. The view would run in PostgreSQL too.

use factum::follow::SqlRow;
use factum::prelude::*;

use crate::account::{
    AccountId, AccountOpened, BankAccount, Cents, MoneyDeposited, MoneyWithdrawn, TransferReceived,
    TransferSent,
};

/// One row for each account, written in the transaction that stores the projection's position.
#[derive(Projection)]
#[projection(
    name = "balances",
    events(AccountOpened, MoneyDeposited, MoneyWithdrawn, TransferSent, TransferReceived),
    from(BankAccount),
    version = 2,
    into = Sql,
    init = "CREATE TABLE balances (account TEXT PRIMARY KEY, owner TEXT NOT NULL, cents BIGINT NOT NULL)",
)]
pub struct Balances;

#[handlers]
impl Balances {
    #[project]
    fn opened(
        &self,
        event: &AccountOpened,
        account: &str,
        sql: &mut dyn SqlTransaction,
    ) -> Result<(), SqlError> {
        sql.execute("INSERT INTO balances VALUES ($1, $2, 0)", &[&account, &event.owner]).map(drop)
    }

    #[project]
    fn deposited(
        &self,
        event: &MoneyDeposited,
        account: &str,
        sql: &mut dyn SqlTransaction,
    ) -> Result<(), BoxError> {
        add(sql, account, event.amount)
    }

    #[project]
    fn withdrawn(
        &self,
        event: &MoneyWithdrawn,
        account: &str,
        sql: &mut dyn SqlTransaction,
    ) -> Result<(), BoxError> {
        subtract(sql, account, event.amount)
    }

    #[project]
    fn sent(
        &self,
        event: &TransferSent,
        account: &str,
        sql: &mut dyn SqlTransaction,
    ) -> Result<(), BoxError> {
        subtract(sql, account, event.amount)
    }

    #[project]
    fn received(
        &self,
        event: &TransferReceived,
        account: &str,
        sql: &mut dyn SqlTransaction,
    ) -> Result<(), BoxError> {
        add(sql, account, event.amount)
    }
}

fn add(sql: &mut dyn SqlTransaction, account: &str, amount: Cents) -> Result<(), BoxError> {
    change(sql, account, i64::try_from(amount.0)?)
}

fn subtract(sql: &mut dyn SqlTransaction, account: &str, amount: Cents) -> Result<(), BoxError> {
    change(sql, account, -i64::try_from(amount.0)?)
}

fn change(sql: &mut dyn SqlTransaction, account: &str, cents: i64) -> Result<(), BoxError> {
    let changed =
        sql.execute("UPDATE balances SET cents = cents + $2 WHERE account = $1", &[&account, &cents])?;
    if changed == 0 {
        return Err(format!("no account `{account}` in the balances").into());
    }
    Ok(())
}

/// A row of the table.
pub struct Row {
    pub account: AccountId,
    pub owner: String,
    pub balance: Cents,
}

/// Brings the table in the store `views` up to date, and reads all balances.
pub fn balances<S: EventStore + Clone + 'static>(
    events: &S,
    views: &SqliteStore,
) -> Result<Vec<Row>, BoxError> {
    SqliteProjection::in_store(views, events, Balances)?.catch_up()?;
    let rows = views
        .sql_view::<Balances>()
        .query("SELECT account, owner, cents FROM balances ORDER BY account", &[])?;
    let row = |row: &SqlRow| {
        let account: &str = row.get("account")?;
        Ok(Row { account: account.into(), owner: row.get("owner")?, balance: Cents(row.get("cents")?) })
    };
    rows.iter().map(row).collect()
}

//! The balances of all accounts, as a table in SQLite: in the file that the events are in, or in another one.

use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};

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
    into = Sqlite,
    init = "CREATE TABLE balances (account TEXT PRIMARY KEY, owner TEXT NOT NULL, cents INTEGER NOT NULL)",
)]
pub struct Balances;

#[handlers]
impl Balances {
    #[project]
    fn opened(
        &self,
        event: &AccountOpened,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        transaction.execute("INSERT INTO balances VALUES (?1, ?2, 0)", (envelope.key, &event.owner)).map(drop)
    }

    #[project]
    fn deposited(
        &self,
        event: &MoneyDeposited,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        add(transaction, envelope, event.amount)
    }

    #[project]
    fn withdrawn(
        &self,
        event: &MoneyWithdrawn,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        subtract(transaction, envelope, event.amount)
    }

    #[project]
    fn sent(
        &self,
        event: &TransferSent,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        subtract(transaction, envelope, event.amount)
    }

    #[project]
    fn received(
        &self,
        event: &TransferReceived,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        add(transaction, envelope, event.amount)
    }
}

fn add(transaction: &Transaction<'_>, envelope: &Envelope<'_>, amount: Cents) -> Result<(), BoxError> {
    change(transaction, envelope, i64::try_from(amount.0)?)
}

fn subtract(transaction: &Transaction<'_>, envelope: &Envelope<'_>, amount: Cents) -> Result<(), BoxError> {
    change(transaction, envelope, -i64::try_from(amount.0)?)
}

fn change(transaction: &Transaction<'_>, envelope: &Envelope<'_>, cents: i64) -> Result<(), BoxError> {
    let changed = transaction
        .prepare_cached("UPDATE balances SET cents = cents + ?2 WHERE account = ?1")?
        .execute((envelope.key, cents))?;
    if changed == 0 {
        return Err(format!("no account `{}` in the balances", envelope.key).into());
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
    let rows = views.query(|connection| {
        connection
            .prepare("SELECT account, owner, cents FROM balances ORDER BY account")?
            .query_map((), |row| {
                let account: String = row.get(0)?;
                Ok(Row { account: account.as_str().into(), owner: row.get(1)?, balance: Cents(row.get(2)?) })
            })?
            .collect()
    })?;
    Ok(rows)
}

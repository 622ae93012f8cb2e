//! Statements of account: a line for each event that moved money, with the balance after it.

use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};

use crate::account::{
    AccountId, BankAccount, Cents, MoneyDeposited, MoneyWithdrawn, TransferReceived, TransferSent,
};

/// One row for each movement of money.
#[derive(Projection)]
#[projection(
    name = "statements",
    events(MoneyDeposited, MoneyWithdrawn, TransferSent, TransferReceived),
    from(BankAccount),
    into = Sqlite,
    init = include_str!("statement.sql"),
)]
pub struct Statements;

#[handlers]
impl Statements {
    #[project]
    fn deposited(
        &self,
        event: &MoneyDeposited,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        line(transaction, envelope, "deposited", event.amount, 1)
    }

    #[project]
    fn withdrawn(
        &self,
        event: &MoneyWithdrawn,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        line(transaction, envelope, "withdrawn", event.amount, -1)
    }

    #[project]
    fn sent(
        &self,
        event: &TransferSent,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        line(transaction, envelope, &format!("sent to {}", event.to), event.amount, -1)
    }

    #[project]
    fn received(
        &self,
        event: &TransferReceived,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        line(transaction, envelope, &format!("received from {}", event.from), event.amount, 1)
    }
}

/// Adds a line to an account's statement; `sign` is 1 for money that came in, and -1 for money that went out.
fn line(
    transaction: &Transaction<'_>,
    envelope: &Envelope<'_>,
    what: &str,
    amount: Cents,
    sign: i64,
) -> Result<(), BoxError> {
    let cents = sign * i64::try_from(amount.0)?;
    transaction
        .prepare_cached(
            "INSERT INTO statements (account, version, time, what, cents, balance)
             SELECT ?1, ?2, ?3, ?4, ?5, ?5 + coalesce(
                 (SELECT balance FROM statements WHERE account = ?1 ORDER BY version DESC LIMIT 1), 0)",
        )?
        .execute((envelope.key, envelope.version, envelope.recorded_at.to_string(), what, cents))?;
    Ok(())
}

/// A line of a statement.
pub struct Line {
    pub time: String,
    pub what: String,
    /// The money that came in or, below zero, went out.
    pub cents: i64,
    pub balance: Cents,
}

/// The statement of one account as of now, oldest line first. The lines of all are in the store `views`.
pub fn statement<S: EventStore + Clone + 'static>(
    events: &S,
    views: &SqliteStore,
    account: &AccountId,
) -> Result<Vec<Line>, BoxError> {
    SqliteProjection::in_store(views, events, Statements)?.catch_up()?;
    let lines = views.query(|connection| {
        connection
            .prepare("SELECT time, what, cents, balance FROM statements WHERE account = ?1 ORDER BY version")?
            .query_map([account.to_string()], |row| {
                Ok(Line {
                    time: row.get(0)?,
                    what: row.get(1)?,
                    cents: row.get(2)?,
                    balance: Cents(row.get(3)?),
                })
            })?
            .collect::<rusqlite::Result<_>>()
    })?;
    Ok(lines)
}

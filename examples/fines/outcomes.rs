//! How fines end: a projection into a table, and the summary read from the table.

use std::fmt;

use factum::prelude::*;
use factum::sqlite::QueryError;
use factum::sqlite::rusqlite::{self, ToSql, Transaction};

use super::fine::{
    AppealAnswerNotified, AppealForwarded, AppealLodged, AppealedToJudge, Fine, FineCreated, FineSent,
    PaymentReceived, PenaltyAdded, SentForCollection,
};
use super::values::Cents;

/// One row for each fine.
///
/// The row is written in the transaction that stores the projection's position, so that the next run on the
/// same store resumes where this run ends.
#[derive(Projection)]
#[projection(
    name = "outcomes",
    events(
        FineCreated, FineSent, PenaltyAdded, PaymentReceived, AppealLodged, AppealForwarded,
        AppealAnswerNotified, AppealedToJudge, SentForCollection,
    ),
    from(Fine),
    into = Sqlite,
    init = include_str!("outcomes.sql"),
)]
pub struct Outcomes;

#[handlers]
impl Outcomes {
    #[project]
    fn created(
        &self,
        event: &FineCreated,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        transaction
            .prepare_cached("INSERT INTO fines (fine, amount, dismissed) VALUES (?1, ?2, ?3)")?
            .execute((envelope.key, event.amount.0, event.dismissed_by.is_some()))
            .map(drop)
    }

    #[project]
    fn sent(
        &self,
        event: &FineSent,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        update(transaction, envelope, "postage = ?2", event.postage.0)
    }

    #[project]
    fn penalty(
        &self,
        event: &PenaltyAdded,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        update(transaction, envelope, "penalised = ?2", event.new_amount.0)
    }

    #[project]
    fn payment(
        &self,
        event: &PaymentReceived,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        update(transaction, envelope, "paid = paid + ?2, payments = payments + 1", event.amount.0)
    }

    #[project]
    fn appeal(
        &self,
        _: &AppealLodged,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        update(transaction, envelope, "appealed = ?2, pending = ?2", true)
    }

    #[project]
    fn forwarded(
        &self,
        event: &AppealForwarded,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        update(transaction, envelope, "dismissed = dismissed OR ?2", event.dismissed_by.is_some())
    }

    #[project]
    fn answered(
        &self,
        _: &AppealAnswerNotified,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        update(transaction, envelope, "pending = ?2", false)
    }

    #[project]
    fn judge(
        &self,
        event: &AppealedToJudge,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        let dismissed = event.dismissed_by.is_some();
        update(
            transaction,
            envelope,
            "appealed = TRUE, pending = TRUE, dismissed = dismissed OR ?2",
            dismissed,
        )
    }

    #[project]
    fn collection(
        &self,
        _: &SentForCollection,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        update(transaction, envelope, "collected = ?2", true)
    }
}

/// Changes the row of the event's fine; the value is `?2`.
fn update(
    transaction: &Transaction<'_>,
    envelope: &Envelope<'_>,
    change: &str,
    value: impl ToSql,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(&format!("UPDATE fines SET {change} WHERE fine = ?1"))?
        .execute((envelope.key, value))
        .map(drop)
}

/// How the fines of a store have ended so far, most common outcome first.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    outcomes: Vec<Outcome>,
}

/// The fines with one outcome.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    name: String,
    fines: u64,
    appealed: u64,
    payments: u64,
    paid: Cents,
}

impl Summary {
    /// Reads what the projection has written so far.
    pub fn read(store: &SqliteStore) -> Result<Self, QueryError> {
        let outcomes = store.query(|connection| {
            connection
                .prepare_cached(
                    "SELECT outcome, count(*), sum(appealed), sum(payments), sum(paid)
                     FROM outcomes GROUP BY outcome ORDER BY count(*) DESC, outcome",
                )?
                .query_map((), |row| {
                    Ok(Outcome {
                        name: row.get(0)?,
                        fines: row.get(1)?,
                        appealed: row.get(2)?,
                        payments: row.get(3)?,
                        paid: Cents(row.get(4)?),
                    })
                })?
                .collect()
        })?;
        Ok(Self { outcomes })
    }

    fn total(&self) -> Outcome {
        let sum = |count: fn(&Outcome) -> u64| self.outcomes.iter().map(count).sum();
        Outcome {
            name: "all".into(),
            fines: sum(|outcome| outcome.fines),
            appealed: sum(|outcome| outcome.appealed),
            payments: sum(|outcome| outcome.payments),
            paid: self.outcomes.iter().map(|outcome| outcome.paid).sum(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<22}{:>8}{:>10}{:>10}{:>12}", "outcome", "fines", "appealed", "payments", "paid")?;
        for outcome in self.outcomes.iter().chain([&self.total()]) {
            let Outcome { name, fines, appealed, payments, paid } = outcome;
            writeln!(f, "{name:<22}{fines:>8}{appealed:>10}{payments:>10}{paid:>12}")?;
        }
        Ok(())
    }
}

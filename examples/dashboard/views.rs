//! The views: tables that projections build from the events of fines.

use factum::follow::ProjectionError;
use factum::prelude::*;
use factum::sqlite::SqliteProjection;
use factum::sqlite::{ViewTransaction, rusqlite};

use super::fines::fine::{
    AppealLodged, AppealedToJudge, Fine, FineCreated, FineNotified, FineSent, PaymentReceived, PenaltyAdded,
    SentForCollection,
};
use super::fines::outcomes::Outcomes;
use super::fines::progress::Bars;
use super::fines::values::Day;

/// Builds all views, or brings them up to date.
pub fn make(store: &SqliteStore, bars: &Bars) -> Result<(), ProjectionError> {
    SqliteProjection::new(store, Outcomes)?.on_progress(bars.view("outcomes")).catch_up()?;
    SqliteProjection::new(store, Steps)?.on_progress(bars.view("steps")).catch_up()?;
    SqliteProjection::new(store, Money)?.on_progress(bars.view("money")).catch_up()?;
    SqliteProjection::new(store, Delays)?.on_progress(bars.view("delays")).catch_up()?;
    Ok(())
}

/// How many fines have reached each step, by year. A fine takes each step once, except payments.
#[derive(Projection)]
#[projection(
    events(
        FineCreated, FineSent, FineNotified, PenaltyAdded, PaymentReceived, AppealLodged, AppealedToJudge,
        SentForCollection,
    ),
    from(Fine),
    into = Sqlite,
    init = "CREATE TABLE steps (
        step  TEXT NOT NULL,
        year  INTEGER NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (step, year)
    ) STRICT, WITHOUT ROWID",
)]
pub struct Steps;

#[handlers]
impl Steps {
    #[project]
    fn created(&self, event: &FineCreated, view: &ViewTransaction<'_>) -> rusqlite::Result<()> {
        step(view, "created", &event.on)
    }

    #[project]
    fn sent(&self, event: &FineSent, view: &ViewTransaction<'_>) -> rusqlite::Result<()> {
        step(view, "sent", &event.on)
    }

    #[project]
    fn notified(&self, event: &FineNotified, view: &ViewTransaction<'_>) -> rusqlite::Result<()> {
        step(view, "notified", &event.on)
    }

    #[project]
    fn penalty(&self, event: &PenaltyAdded, view: &ViewTransaction<'_>) -> rusqlite::Result<()> {
        step(view, "penalty added", &event.on)
    }

    #[project]
    fn payment(&self, event: &PaymentReceived, view: &ViewTransaction<'_>) -> rusqlite::Result<()> {
        step(view, "payment", &event.on)
    }

    #[project]
    fn appeal(&self, event: &AppealLodged, view: &ViewTransaction<'_>) -> rusqlite::Result<()> {
        step(view, "appeal", &event.on)
    }

    #[project]
    fn judge(&self, event: &AppealedToJudge, view: &ViewTransaction<'_>) -> rusqlite::Result<()> {
        step(view, "appeal", &event.on)
    }

    #[project]
    fn collection(&self, event: &SentForCollection, view: &ViewTransaction<'_>) -> rusqlite::Result<()> {
        step(view, "credit collection", &event.on)
    }
}

fn step(view: &ViewTransaction<'_>, step: &str, on: &Day) -> rusqlite::Result<()> {
    view.with(
        "INSERT INTO steps VALUES (?1, substr(?2, 1, 4), 1) ON CONFLICT DO UPDATE SET count = count + 1",
        |upsert| upsert.execute((step, &on.0)),
    )
    .map(drop)
}

/// The amounts asked for and paid, by day. A penalty adds the difference to the amount before.
#[derive(Projection)]
#[projection(
    events(FineCreated, FineSent, PenaltyAdded, PaymentReceived),
    from(Fine),
    into = Sqlite,
    init = "
        CREATE TABLE amounts (fine TEXT PRIMARY KEY, cents INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE money (
            day   TEXT PRIMARY KEY,
            asked INTEGER NOT NULL DEFAULT 0, -- in cents
            paid  INTEGER NOT NULL DEFAULT 0
        ) STRICT, WITHOUT ROWID;",
)]
pub struct Money;

#[handlers]
impl Money {
    #[project]
    fn created(&self, event: &FineCreated, fine: &str, view: &ViewTransaction<'_>) -> rusqlite::Result<()> {
        view.with("INSERT INTO amounts VALUES (?1, ?2)", |insert| insert.execute((fine, event.amount.0)))?;
        asked(view, &event.on, event.amount.0)
    }

    #[project]
    fn sent(&self, event: &FineSent, view: &ViewTransaction<'_>) -> rusqlite::Result<()> {
        asked(view, &event.on, event.postage.0)
    }

    #[project]
    fn penalty(&self, event: &PenaltyAdded, fine: &str, view: &ViewTransaction<'_>) -> rusqlite::Result<()> {
        let before: u64 = view.with("SELECT cents FROM amounts WHERE fine = ?1", |select| {
            select.query_row([fine], |row| row.get(0))
        })?;
        asked(view, &event.on, event.new_amount.0.saturating_sub(before))
    }

    #[project]
    fn payment(&self, event: &PaymentReceived, view: &ViewTransaction<'_>) -> rusqlite::Result<()> {
        view.with(
            "INSERT INTO money (day, paid) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET paid = paid + excluded.paid",
            |upsert| upsert.execute((&event.on.0, event.amount.0)),
        )
        .map(drop)
    }
}

fn asked(view: &ViewTransaction<'_>, on: &Day, cents: u64) -> rusqlite::Result<()> {
    view.with(
        "INSERT INTO money (day, asked) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET asked = asked + excluded.asked",
        |upsert| upsert.execute((&on.0, cents)),
    )
    .map(drop)
}

/// How many days after a fine was written its first payment came.
#[derive(Projection)]
#[projection(
    events(FineCreated, PaymentReceived),
    from(Fine),
    into = Sqlite,
    init = "CREATE TABLE delays (fine TEXT PRIMARY KEY, created TEXT NOT NULL, days INTEGER) STRICT, WITHOUT ROWID",
)]
pub struct Delays;

#[handlers]
impl Delays {
    #[project]
    fn created(&self, event: &FineCreated, fine: &str, view: &ViewTransaction<'_>) -> rusqlite::Result<()> {
        view.with("INSERT INTO delays (fine, created) VALUES (?1, ?2)", |insert| {
            insert.execute((fine, &event.on.0))
        })
        .map(drop)
    }

    #[project]
    fn payment(
        &self,
        event: &PaymentReceived,
        fine: &str,
        view: &ViewTransaction<'_>,
    ) -> rusqlite::Result<()> {
        view.with(
            "UPDATE delays SET days = CAST(julianday(?2) - julianday(created) AS INTEGER)
             WHERE fine = ?1 AND days IS NULL",
            |update| update.execute((fine, &event.on.0)),
        )
        .map(drop)
    }
}

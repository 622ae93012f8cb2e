//! What each program counts for itself: a view in memory, and one in a SQLite file.

use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};

use crate::account::{Account, Deposited, Opened};
use crate::welcome::{Card, CardBlocked, CardOrdered};

/// Counts all events, and notices one that comes twice, out of order, or not at all.
#[derive(Debug, Default, Clone, PartialEq, Projection)]
#[projection(events(Opened, Deposited, CardOrdered, CardBlocked), from(Account, Card))]
pub(crate) struct Counts {
    pub(crate) accounts: u64,
    pub(crate) cents: i64,
    pub(crate) position: u64,
    pub(crate) skips: u64,
}

#[handlers]
impl Counts {
    #[project]
    fn opened(&mut self, _: &Opened, envelope: &Envelope<'_>) {
        self.accounts += 1;
        self.at(envelope);
    }

    #[project]
    fn deposited(&mut self, event: &Deposited, envelope: &Envelope<'_>) {
        self.cents += event.cents;
        self.at(envelope);
    }

    #[project]
    fn ordered(&mut self, _: &CardOrdered, envelope: &Envelope<'_>) {
        self.at(envelope);
    }

    #[project]
    fn blocked(&mut self, _: &CardBlocked, envelope: &Envelope<'_>) {
        self.at(envelope);
    }

    fn at(&mut self, envelope: &Envelope<'_>) {
        let position = envelope.position.get();
        self.skips += u64::from(position != self.position + 1);
        self.position = position;
    }
}

/// A row for each account.
#[derive(Debug, Clone, Projection)]
#[projection(
    events(Opened, Deposited),
    from(Account),
    into = Sqlite,
    init = "CREATE TABLE totals (account TEXT PRIMARY KEY, cents INTEGER NOT NULL) WITHOUT ROWID",
)]
pub(crate) struct Totals;

#[handlers]
impl Totals {
    #[project]
    fn opened(
        &self,
        _: &Opened,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        transaction.prepare_cached("INSERT INTO totals VALUES (?1, 0)")?.execute([envelope.key]).map(drop)
    }

    #[project]
    fn deposited(
        &self,
        event: &Deposited,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        transaction
            .prepare_cached("UPDATE totals SET cents = cents + ?2 WHERE account = ?1")?
            .execute((envelope.key, event.cents))
            .map(drop)
    }
}

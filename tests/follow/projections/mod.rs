//! Projections that catch up on request.

mod handlers;
mod memory;
mod sqlite;
mod typed_ids;

use factum::follow::CaughtUp;
use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};
use serde::{Deserialize, Serialize};

use crate::support::account::{Account, Deposited, Opened};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct CardIssued {
    owner: String,
}

/// Has the name of an account's event, but other fields.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "opened")]
struct CardboxOpened {
    at: u64,
}

#[derive(Debug, Clone, Command)]
struct IssueCard {
    #[command(id)]
    card: u64,
    owner: String,
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = u64, commands(IssueCard), events(CardIssued, CardboxOpened))]
struct Card;

#[handlers]
impl Card {
    #[execute]
    fn issue(&self, command: IssueCard) -> (CardboxOpened, CardIssued) {
        (CardboxOpened { at: command.card }, CardIssued { owner: command.owner })
    }

    #[apply]
    fn issued(&mut self, _: &CardIssued) {}

    #[apply]
    fn box_opened(&mut self, _: &CardboxOpened) {}
}

/// A view of two aggregates, in memory.
#[derive(Debug, Default, PartialEq, Projection)]
#[projection(events(Deposited, CardIssued), from(Account, Card))]
struct Totals {
    deposited: i64,
    cards: Vec<(u64, String)>,
    refuse: Option<i64>,
}

#[handlers]
impl Totals {
    #[project]
    fn deposited(&mut self, event: &Deposited, envelope: &Envelope<'_>) -> Result<(), String> {
        if self.refuse == Some(event.cents) {
            return Err(format!("{} is refused", event.cents));
        }
        assert_eq!(envelope.category, "account");
        self.deposited += event.cents;
        Ok(())
    }

    #[project]
    fn issued(&mut self, event: &CardIssued, envelope: &Envelope<'_>) {
        let card = envelope.aggregate_id().expect("cards have numbers");
        self.cards.push((card, event.owner.clone()));
    }
}

/// A view in SQLite, of accounts only: cards have an event called `opened` too.
#[derive(Projection)]
#[projection(
    name = "balances",
    version = 2,
    events(Opened, Deposited),
    from(Account),
    into = Sqlite,
    init = "CREATE TABLE balances (account TEXT PRIMARY KEY, owner TEXT NOT NULL, cents INTEGER NOT NULL)",
)]
pub(in crate::follow) struct Balances {
    pub(in crate::follow) panic_at: Option<i64>,
}

#[handlers]
impl Balances {
    #[project]
    fn opened(
        &self,
        event: &Opened,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        transaction.execute("INSERT INTO balances VALUES (?1, ?2, 0)", (envelope.key, &event.owner)).map(drop)
    }

    #[project]
    fn deposited(
        &self,
        event: &Deposited,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        transaction.execute(
            "UPDATE balances SET cents = cents + ?2 WHERE account = ?1",
            (envelope.key, event.cents),
        )?;
        assert!(self.panic_at != Some(event.cents), "a handler that panics");
        Ok(())
    }
}

/// A view of accounts only, although cards have an event called `opened` too. Deposits under their old name
/// count as well.
#[derive(Debug, Default, PartialEq, Projection)]
#[projection(events(Opened, Deposited), from(Account))]
struct Owners {
    owners: Vec<String>,
    cents: i64,
}

#[handlers]
impl Owners {
    #[project]
    fn opened(&mut self, event: &Opened) {
        self.owners.push(event.owner.clone());
    }

    #[project]
    fn deposited(&mut self, event: &Deposited) {
        self.cents += event.cents;
    }
}

/// How many events a catch-up has read, and the position that it has reached.
fn caught_up(caught: &CaughtUp) -> (u64, u64) {
    (caught.events, caught.position.get())
}

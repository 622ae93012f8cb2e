//! Two views and a reaction: where each order is, what the shop has sold, and mails to customers.

use std::sync::mpsc::Sender;

use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};

use super::ids::OrderId;
use super::order::{Order, OrderCancelled, OrderPlaced, OrderShipped, Reason};
use super::payment::{Payment, PaymentRefunded, PaymentTaken};

/// One row for each order, written in the transaction of its events.
#[derive(Projection)]
#[projection(
    name = "board",
    events(OrderPlaced, OrderShipped, OrderCancelled),
    from(Order),
    into = Sqlite,
    init = "CREATE TABLE board (number TEXT PRIMARY KEY, cents INTEGER NOT NULL, status TEXT NOT NULL)",
)]
pub struct Board;

#[handlers]
impl Board {
    #[project]
    fn placed(&self, event: &OrderPlaced, key: &str, transaction: &Transaction<'_>) -> Result<(), BoxError> {
        let row = (key, i64::try_from(event.total.0)?);
        transaction.execute("INSERT INTO board VALUES (?1, ?2, 'placed')", row)?;
        Ok(())
    }

    #[project]
    fn shipped(&self, _: &OrderShipped, key: &str, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        set(transaction, key, "shipped")
    }

    #[project]
    fn cancelled(
        &self,
        event: &OrderCancelled,
        key: &str,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        set(transaction, key, &format!("cancelled: {}", in_words(&event.reason)))
    }
}

fn set(transaction: &Transaction<'_>, key: &str, status: &str) -> rusqlite::Result<()> {
    transaction.execute("UPDATE board SET status = ?2 WHERE number = ?1", (key, status)).map(drop)
}

/// What came in and what went back, in one row.
#[derive(Projection)]
#[projection(
    name = "sales",
    events(PaymentTaken, PaymentRefunded),
    from(Payment),
    into = Sqlite,
    init = "CREATE TABLE sales (taken INTEGER NOT NULL, refunded INTEGER NOT NULL); INSERT INTO sales VALUES (0, 0)",
)]
pub struct Sales;

#[handlers]
impl Sales {
    #[project]
    fn taken(&self, event: &PaymentTaken, transaction: &Transaction<'_>) -> Result<(), BoxError> {
        transaction.execute("UPDATE sales SET taken = taken + ?1", [i64::try_from(event.amount.0)?])?;
        Ok(())
    }

    #[project]
    fn refunded(&self, event: &PaymentRefunded, transaction: &Transaction<'_>) -> Result<(), BoxError> {
        transaction.execute("UPDATE sales SET refunded = refunded + ?1", [i64::try_from(event.amount.0)?])?;
        Ok(())
    }
}

/// Writes to customers. This one hands its mails to a channel.
#[derive(Reaction)]
#[reaction(name = "mail", events(OrderShipped, OrderCancelled), from(Order))]
pub struct Mail {
    pub outbox: Sender<String>,
}

#[handlers]
impl Mail {
    #[react]
    fn shipped(&self, _: &OrderShipped, id: &OrderId) -> Result<(), BoxError> {
        Ok(self.outbox.send(format!("Order {id} is on its way."))?)
    }

    #[react]
    fn cancelled(&self, event: &OrderCancelled, id: &OrderId) -> Result<(), BoxError> {
        Ok(self.outbox.send(format!("Order {id} is cancelled: {}.", in_words(&event.reason)))?)
    }
}

fn in_words(reason: &Reason) -> String {
    match reason {
        Reason::Withdrawn => "withdrawn by the customer".to_owned(),
        Reason::OutOfStock(sku) => format!("no {sku} left"),
        Reason::NotPaid => "not paid in time".to_owned(),
    }
}

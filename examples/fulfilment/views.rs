//! Three views and a reaction: where each order is, what the shop has sold, what is on the shelves, and mails to
//! customers.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;

use factum::follow::{KeepsSql, SqlRow};
use factum::prelude::*;
use serde::Serialize;

use super::ids::{Cents, OrderId, Sku};
use super::order::{Order, OrderCancelled, OrderClosed, OrderPlaced, OrderShipped, Outcome, Reason};
use super::payment::{Payment, PaymentRefunded, PaymentRequested, PaymentTaken};
use super::shipment::{Shipment, ShipmentDelayed, ShipmentHandedOver};
use super::stock::{Stock, StockAdded, StockCounted, StockDispatched, StockReleased, StockReserved};

type Written = Result<(), SqlError>;

/// One row for each order, written in the transaction of its events. An order, its payment and its parcel have one
/// number, which is the key of their streams.
#[derive(Projection)]
#[projection(
    events(
        OrderPlaced, PaymentRequested, PaymentTaken, OrderShipped, ShipmentHandedOver, ShipmentDelayed, OrderClosed,
        OrderCancelled,
    ),
    from(Order, Payment, Shipment),
    version = 2,
    into = Sql,
    init = "CREATE TABLE board (
        number TEXT PRIMARY KEY, cents BIGINT NOT NULL, status TEXT NOT NULL, detail TEXT NOT NULL, changed BIGINT NOT NULL
    );
    CREATE UNIQUE INDEX board_changed ON board (changed)",
)]
pub struct Board;

/// An order on the board.
#[derive(Debug, Clone, Serialize)]
pub struct BoardRow {
    pub number: String,
    pub total: Cents,
    pub status: String,
    /// More about the status; often empty.
    pub detail: String,
}

impl Board {
    /// The orders that changed last, the newest first.
    pub fn newest(store: &impl KeepsSql, limit: u32) -> Result<Vec<BoardRow>, SqlError> {
        let select = "SELECT number, cents, status, detail FROM board ORDER BY changed DESC LIMIT $1";
        let rows = store.sql_view::<Self>().query(select, &[&limit])?;
        let row = |row: &SqlRow| {
            Ok(BoardRow {
                number: row.get("number")?,
                total: Cents(row.get("cents")?),
                status: row.get("status")?,
                detail: row.get("detail")?,
            })
        };
        rows.iter().map(row).collect()
    }
}

#[handlers]
impl Board {
    #[project]
    fn placed(&self, event: &OrderPlaced, key: &str, board: &mut dyn SqlTransaction) -> Written {
        let insert = "INSERT INTO board
            VALUES ($1, $2, 'placed', '', (SELECT coalesce(max(changed), 0) + 1 FROM board))";
        board.execute(insert, &[&key, &event.total.0]).map(drop)
    }

    #[project]
    fn requested(&self, _: &PaymentRequested, key: &str, board: &mut dyn SqlTransaction) -> Written {
        move_to(board, key, "to pay", "")
    }

    #[project]
    fn paid(&self, _: &PaymentTaken, key: &str, board: &mut dyn SqlTransaction) -> Written {
        move_to(board, key, "paid", "")
    }

    #[project]
    fn shipped(&self, _: &OrderShipped, key: &str, board: &mut dyn SqlTransaction) -> Written {
        move_to(board, key, "shipped", "")
    }

    #[project]
    fn handed_over(&self, event: &ShipmentHandedOver, key: &str, board: &mut dyn SqlTransaction) -> Written {
        move_to(board, key, "on its way", &format!("with {}", event.carrier))
    }

    #[project]
    fn delayed(&self, event: &ShipmentDelayed, key: &str, board: &mut dyn SqlTransaction) -> Written {
        move_to(board, key, "on its way", &format!("late: {}", event.reason))
    }

    #[project]
    fn closed(&self, event: &OrderClosed, key: &str, board: &mut dyn SqlTransaction) -> Written {
        match event.outcome {
            Outcome::Delivered => move_to(board, key, "delivered", ""),
            Outcome::Lost => move_to(board, key, "lost", ""),
        }
    }

    #[project]
    fn cancelled(&self, event: &OrderCancelled, key: &str, board: &mut dyn SqlTransaction) -> Written {
        move_to(board, key, "cancelled", &in_words(&event.reason))
    }
}

/// Moves an order on the board. A payment may still change after its order was cancelled.
fn move_to(board: &mut dyn SqlTransaction, key: &str, status: &str, detail: &str) -> Written {
    let update = "UPDATE board SET status = $2, detail = $3, changed = (SELECT max(changed) + 1 FROM board)
        WHERE number = $1 AND status <> 'cancelled'";
    board.execute(update, &[&key, &status, &detail]).map(drop)
}

/// What came in and what went back, in one row.
#[derive(Projection)]
#[projection(
    events(PaymentTaken, PaymentRefunded),
    from(Payment),
    version = 2,
    into = Sql,
    init = "CREATE TABLE sales (taken BIGINT NOT NULL, refunded BIGINT NOT NULL); INSERT INTO sales VALUES (0, 0)",
)]
pub struct Sales;

impl Sales {
    /// What came in, and what went back.
    pub fn totals(store: &impl KeepsSql) -> Result<(Cents, Cents), SqlError> {
        let row = store.sql_view::<Self>().query_opt("SELECT taken, refunded FROM sales", &[])?;
        let Some(row) = row else { return Ok(Default::default()) };
        Ok((Cents(row.get("taken")?), Cents(row.get("refunded")?)))
    }
}

#[handlers]
impl Sales {
    #[project]
    fn taken(&self, event: &PaymentTaken, sales: &mut dyn SqlTransaction) -> Written {
        sales.execute("UPDATE sales SET taken = taken + $1", &[&event.amount.0]).map(drop)
    }

    #[project]
    fn refunded(&self, event: &PaymentRefunded, sales: &mut dyn SqlTransaction) -> Written {
        sales.execute("UPDATE sales SET refunded = refunded + $1", &[&event.amount.0]).map(drop)
    }
}

/// How many pieces of each kind of goods are free and reserved. It is kept in memory.
#[derive(Debug, Default, Projection)]
#[projection(events(StockAdded, StockReserved, StockReleased, StockDispatched, StockCounted), from(Stock))]
pub struct Shelf(pub BTreeMap<Sku, Pieces>);

/// The pieces of one kind of goods.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub struct Pieces {
    pub free: u32,
    pub reserved: u32,
}

#[handlers]
impl Shelf {
    #[project]
    fn added(&mut self, event: &StockAdded, id: &Sku) {
        self.pieces(id).free += event.quantity;
    }

    #[project]
    fn reserved(&mut self, event: &StockReserved, id: &Sku) {
        self.pieces(id).free -= event.quantity;
        self.pieces(id).reserved += event.quantity;
    }

    #[project]
    fn released(&mut self, event: &StockReleased, id: &Sku) {
        self.pieces(id).free += event.quantity;
        self.pieces(id).reserved -= event.quantity;
    }

    #[project]
    fn dispatched(&mut self, event: &StockDispatched, id: &Sku) {
        self.pieces(id).reserved -= event.quantity;
    }

    #[project]
    fn counted(&mut self, event: &StockCounted, id: &Sku) {
        self.pieces(id).free = event.free;
    }

    fn pieces(&mut self, sku: &Sku) -> &mut Pieces {
        self.0.entry(sku.clone()).or_default()
    }
}

/// Writes to customers. This one hands its mails to a channel.
#[derive(Reaction)]
#[reaction(name = "mail", events(OrderShipped, OrderClosed, OrderCancelled), from(Order))]
pub struct Mail {
    pub outbox: Sender<String>,
}

#[handlers]
impl Mail {
    #[react]
    fn shipped(&self, _: &OrderShipped, id: &OrderId) -> Result<(), BoxError> {
        Ok(self.outbox.send(format!("Order {} is on its way.", id.0))?)
    }

    #[react]
    fn closed(&self, event: &OrderClosed, id: &OrderId) -> Result<(), BoxError> {
        let mail = match event.outcome {
            Outcome::Delivered => format!("Order {} has arrived.", id.0),
            Outcome::Lost => format!("The parcel of order {} is lost. You get your money back.", id.0),
        };
        Ok(self.outbox.send(mail)?)
    }

    #[react]
    fn cancelled(&self, event: &OrderCancelled, id: &OrderId) -> Result<(), BoxError> {
        Ok(self.outbox.send(format!("Order {} is cancelled: {}.", id.0, in_words(&event.reason)))?)
    }
}

fn in_words(reason: &Reason) -> String {
    match reason {
        Reason::Withdrawn => "withdrawn by the customer".to_owned(),
        Reason::OutOfStock(sku) => format!("no {} left", sku.0),
        Reason::NotPaid => "not paid in time".to_owned(),
    }
}

//! A shop, for the tests of applications.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use factum::application::Running;
use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};
use serde::{Deserialize, Serialize};

pub(crate) const LONG: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, AggregateId)]
pub(crate) struct OrderId(pub(crate) String);

#[derive(Debug, Serialize, Deserialize, Event)]
pub(crate) struct OrderPlaced {
    pub(crate) cents: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
pub(crate) struct OrderShipped;

#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub(crate) struct PlaceOrder {
    #[command(id)]
    pub(crate) order: OrderId,
    pub(crate) cents: u64,
}

/// Only the program itself ships.
#[derive(Debug, Clone, Deserialize, Command)]
#[command(internal)]
pub(crate) struct Ship(pub(crate) OrderId);

#[derive(Debug, PartialEq, Serialize, thiserror::Error)]
pub(crate) enum OrderError {
    #[error("an order of {cents} cents is too small")]
    TooSmall { cents: u64 },
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = OrderId, error = OrderError, commands(PlaceOrder, Ship), events(OrderPlaced, OrderShipped))]
pub(crate) struct Order {
    pub(crate) cents: u64,
}

#[handlers]
impl Order {
    #[execute]
    fn place(&self, command: PlaceOrder) -> Result<OrderPlaced, OrderError> {
        match command.cents {
            cents @ 0..5 => Err(OrderError::TooSmall { cents }),
            cents => Ok(OrderPlaced { cents }),
        }
    }

    #[execute]
    fn ship(&self, _: Ship) -> Option<OrderShipped> {
        (self.cents > 0).then_some(OrderShipped)
    }

    #[apply]
    fn placed(&mut self, event: &OrderPlaced) {
        self.cents += event.cents;
    }

    #[apply]
    fn shipped(&mut self, _: &OrderShipped) {}
}

/// Says whether a payment goes through.
#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    pub(crate) limit: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
pub(crate) struct PaymentTaken {
    pub(crate) cents: u64,
}

#[derive(Debug, Deserialize, Command)]
pub(crate) struct TakePayment {
    #[command(id)]
    pub(crate) order: OrderId,
    pub(crate) cents: u64,
}

/// A refusal that is neither shown nor written.
#[derive(Debug, PartialEq)]
pub(crate) struct Declined;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(
    id = OrderId, error = Declined, services = Gateway, commands(TakePayment), events(PaymentTaken)
)]
pub(crate) struct Payment;

#[handlers]
impl Payment {
    #[execute]
    fn take(&self, command: TakePayment, gateway: &Gateway) -> Result<PaymentTaken, Declined> {
        let cents = command.cents;
        if cents > gateway.limit { Err(Declined) } else { Ok(PaymentTaken { cents }) }
    }

    #[apply]
    fn taken(&mut self, _: &PaymentTaken) {}
}

/// In a table, in each append.
#[derive(Projection)]
#[projection(
    events(OrderPlaced, OrderShipped), from(Order), into = Sqlite,
    init = "CREATE TABLE board (id TEXT PRIMARY KEY, status TEXT NOT NULL)"
)]
pub(crate) struct OrderBoard;

#[handlers]
impl OrderBoard {
    #[project]
    fn placed(&self, _: &OrderPlaced, key: &str, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction.execute("INSERT OR REPLACE INTO board VALUES (?1, 'placed')", [key]).map(drop)
    }

    #[project]
    fn shipped(&self, _: &OrderShipped, key: &str, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction.execute("UPDATE board SET status = 'shipped' WHERE id = ?1", [key]).map(drop)
    }
}

/// In a table, by several workers.
#[derive(Clone, Projection)]
#[projection(
    events(PaymentTaken), from(Payment), into = Sqlite, partition_by = stream,
    init = "CREATE TABLE sales (id TEXT PRIMARY KEY, cents INTEGER NOT NULL)"
)]
pub(crate) struct Sales;

#[handlers]
impl Sales {
    #[project]
    fn taken(&self, event: &PaymentTaken, key: &str, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction.execute("INSERT INTO sales VALUES (?1, ?2)", (key, event.cents.cast_signed())).map(drop)
    }
}

/// In memory.
#[derive(Debug, Default, Projection)]
#[projection(events(OrderPlaced), from(Order))]
pub(crate) struct Totals {
    pub(crate) orders: u64,
    pub(crate) cents: u64,
}

#[handlers]
impl Totals {
    #[project]
    fn placed(&mut self, event: &OrderPlaced) {
        self.orders += 1;
        self.cents += event.cents;
    }
}

/// What was sent, or fails for an order of 13 cents.
#[derive(Clone, Default, Reaction)]
#[reaction(events(OrderPlaced, OrderShipped), from(Order), partition_by = stream)]
pub(crate) struct Mailer {
    pub(crate) sent: Arc<Mutex<Vec<String>>>,
}

#[handlers]
impl Mailer {
    #[react]
    fn placed(&self, event: &OrderPlaced, key: &str) -> Result<(), BoxError> {
        if event.cents == 13 {
            return Err("no mail about 13 cents".into());
        }
        self.sent.lock().unwrap().push(format!("{key} placed"));
        Ok(())
    }

    #[react]
    fn shipped(&self, _: &OrderShipped, key: &str) {
        self.sent.lock().unwrap().push(format!("{key} shipped"));
    }
}

/// All that a shop has.
#[derive(Application)]
#[application(aggregates(Order, Payment), json)]
pub(crate) struct Shop {
    #[services(Payment)]
    gateway: Gateway,
    #[projection(inline)]
    board: OrderBoard,
    #[projection(workers = 2)]
    sales: Sales,
    #[projection]
    totals: Totals,
    #[reaction(retry(1), delay = Duration::from_millis(1), dead_letters)]
    mail: Mailer,
}

impl Shop {
    pub(crate) fn new(mail: &Mailer) -> Self {
        Self {
            gateway: Gateway { limit: 1000 },
            board: OrderBoard,
            sales: Sales,
            totals: Totals::default(),
            mail: mail.clone(),
        }
    }
}

/// A running shop in memory, and what it has mailed.
pub(crate) fn shop() -> (Running<Shop, SqliteStore>, Mailer) {
    let mail = Mailer::default();
    (Shop::new(&mail).start(&SqliteStore::in_memory().unwrap()).unwrap(), mail)
}

pub(crate) fn id(order: &str) -> OrderId {
    OrderId(order.to_owned())
}

pub(crate) fn place(order: &str, cents: u64) -> PlaceOrder {
    PlaceOrder { order: id(order), cents }
}

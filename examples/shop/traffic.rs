//! Goods and orders for a look: what a new store has, and a story that goes on until the program stops.

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use factum::application::Running;
use factum::prelude::*;

use crate::fulfilment::ids::{Cents, Line};
use crate::fulfilment::order::{CancelOrder, PlaceOrder, Reason, SetAddress};
use crate::fulfilment::payment::Pay;
use crate::fulfilment::shipment::{HandOverShipment, ReportDelay, ReportDelivery, ReportLoss};
use crate::fulfilment::shop::Shop;
use crate::fulfilment::stock::AddStock;
use crate::fulfilment::views::{Board, BoardRow};
use crate::tenants::{ShopStore, Shops};

/// What the shop sells, with the price of a piece in cents.
const GOODS: [(&str, u64); 5] =
    [("armchair", 24_900), ("bookshelf", 12_900), ("desk lamp", 3_900), ("rug", 8_900), ("teapot", 2_400)];

const STREETS: [&str; 4] = ["Elm Street", "Mill Lane", "Harbour Road", "Garden Square"];

/// The time between two steps of the story.
const STEP: Duration = Duration::from_millis(600);

type Runs<S> = Running<Shop, S>;

/// Puts goods on the shelves of a new shop, and places some orders. Each command has a key, so that a seed that was
/// interrupted goes on.
pub fn seed<S: ShopStore>(shop: &Runs<S>) -> Result<(), BoxError> {
    for (sku, _) in GOODS {
        let once = ExecuteOptions::new().idempotency_key(format!("seed {sku}")).retry(5);
        tell(shop.execute_with(AddStock { sku: sku.into(), quantity: 500 }, &once))?;
    }
    for number in 1..=6 {
        let order = place(&format!("A-{number}"), number);
        let once = ExecuteOptions::new().idempotency_key(format!("seed {}", order.order.0)).retry(5);
        tell(shop.execute_with(order, &once))?;
    }
    Ok(())
}

/// An order whose content follows from a number.
fn place(order: &str, number: usize) -> PlaceOrder {
    let line = |index: usize| {
        let (sku, price) = GOODS[index % GOODS.len()];
        let quantity = u32::try_from(1 + number % 3).unwrap_or(1);
        Line { sku: sku.into(), quantity, price: Cents(price) }
    };
    // Two different kinds, as 7 and 5 have no common factor.
    let lines =
        if number.is_multiple_of(2) { vec![line(number)] } else { vec![line(number), line(number + 1)] };
    PlaceOrder { order: order.into(), lines }
}

/// Traffic that goes on until it is ended.
pub struct Story {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Story {
    /// Begins to play in a thread of its own.
    pub fn begin<S: ShopStore>(shops: Arc<Shops<S>>, tenant: String) -> Result<Self, BoxError> {
        let (stop, stopped) = channel();
        let play = move || play(&shops, &tenant, &stopped);
        Ok(Self { stop, thread: thread::Builder::new().name("story".to_owned()).spawn(play)? })
    }

    /// Ends it after the step that it is in.
    pub fn end(self) {
        drop(self.stop);
        drop(self.thread.join());
    }
}

fn play<S: ShopStore>(shops: &Shops<S>, tenant: &str, stopped: &Receiver<()>) {
    for step in 0.. {
        match stopped.recv_timeout(STEP) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
        let done = shops.get(tenant).map_err(Into::into).and_then(|shop| take_step(&shop, step));
        if let Err(error) = done {
            eprintln!("story: {}", factum::with_causes(&*error));
        }
    }
}

/// One step: a new order, or the next step of the order that has waited longest.
fn take_step<S: ShopStore>(shop: &Runs<S>, step: usize) -> Result<(), BoxError> {
    if step % 40 == 39 {
        for (sku, _) in GOODS {
            tell(shop.execute(AddStock { sku: sku.into(), quantity: 40 }))?;
        }
    }
    let rows = Board::newest(shop.store(), 200)?;
    let waiting =
        rows.iter().filter(|row| !matches!(row.status.as_str(), "delivered" | "lost" | "cancelled"));
    let waiting: Vec<_> = waiting.collect();
    if step.is_multiple_of(3) && waiting.len() < 16 {
        // Tells the runs of the program apart, which number their steps from 0.
        let number = usize::try_from(shop.store().position()?.get()).unwrap_or(step);
        let order = place(&format!("B-{number}"), number);
        let address = format!("{} {}", 1 + number % 90, STREETS[number % STREETS.len()]);
        let id = order.order.clone();
        tell(shop.execute(order))?;
        return tell(shop.execute(SetAddress { order: id, address }));
    }
    match waiting.last() {
        Some(row) => advance(shop, row, step),
        None => Ok(()),
    }
}

fn advance<S: ShopStore>(shop: &Runs<S>, row: &BoardRow, step: usize) -> Result<(), BoxError> {
    let order = || row.number.as_str().into();
    match (row.status.as_str(), step % 11) {
        ("to pay", 0) => tell(shop.execute(CancelOrder { order: order(), reason: Reason::Withdrawn })),
        ("to pay", _) => tell(shop.execute(Pay { order: order(), card: "4242".to_owned() })),
        ("shipped", _) => {
            let (carrier, tracking) = ("Post".to_owned(), format!("post-{}", row.number));
            tell(shop.execute(HandOverShipment { order: order(), carrier, tracking }))
        }
        ("on its way", 1) => tell(shop.execute(ReportDelay { order: order(), reason: "snow".to_owned() })),
        ("on its way", 2) => tell(shop.execute(ReportLoss { order: order() })),
        ("on its way", _) => tell(shop.execute(ReportDelivery { order: order() })),
        // The process has the next step.
        _ => Ok(()),
    }
}

/// A refusal is a part of the story: the process or a visitor was faster.
fn tell<T, E: Error + Send + Sync + 'static>(done: Result<T, ExecuteError<E>>) -> Result<(), BoxError> {
    match done {
        Ok(_) | Err(ExecuteError::Refused(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

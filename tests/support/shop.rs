//! A shop: orders, stock, payments, and the process that fulfils orders. The domain of the tests of processes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use factum::Position;
use factum::follow::{CommandRoutes, Commands};
use factum::prelude::*;
use factum::store::{Filter, StoredEvent};
use factum::testing::TestClock;
use serde::{Deserialize, Serialize};

use super::kept::{KeptProcess, KeptStore, kept_sql, open_kept};

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, AggregateId)]
pub(crate) struct OrderId(pub(crate) String);

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, AggregateId)]
pub(crate) struct Sku(pub(crate) String);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
pub(crate) struct OrderPlaced {
    pub(crate) sku: Sku,
    pub(crate) cents: u64,
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
pub(crate) struct OrderShipped;
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
pub(crate) struct OrderCancelled {
    pub(crate) reason: String,
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
pub(crate) struct StockAdded {
    pub(crate) quantity: u32,
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
pub(crate) struct StockReserved {
    pub(crate) order: OrderId,
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
pub(crate) struct StockReleased {
    pub(crate) order: OrderId,
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
pub(crate) struct PaymentAsked {
    pub(crate) cents: u64,
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
pub(crate) struct PaymentTaken {
    pub(crate) order: OrderId,
}

#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub(crate) struct PlaceOrder {
    #[command(id)]
    pub(crate) order: OrderId,
    pub(crate) sku: Sku,
    pub(crate) cents: u64,
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Command)]
pub(crate) struct ShipOrder(pub(crate) OrderId);
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Command)]
pub(crate) struct CancelOrder {
    #[command(id)]
    pub(crate) order: OrderId,
    pub(crate) reason: String,
}
#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub(crate) struct AddStock {
    #[command(id)]
    pub(crate) sku: Sku,
    pub(crate) quantity: u32,
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Command)]
pub(crate) struct ReserveStock {
    #[command(id)]
    pub(crate) sku: Sku,
    pub(crate) order: OrderId,
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Command)]
pub(crate) struct ReleaseStock {
    #[command(id)]
    pub(crate) sku: Sku,
    pub(crate) order: OrderId,
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Command)]
pub(crate) struct AskPayment {
    #[command(id)]
    pub(crate) order: OrderId,
    pub(crate) cents: u64,
}
#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub(crate) struct TakePayment(pub(crate) OrderId);

#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum OrderError {
    #[error("the order has been {0}")]
    Over(&'static str),
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum StockError {
    #[error("none left")]
    NoneLeft,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum PaymentError {
    #[error("more than the limit")]
    TooMuch,
}

#[derive(Debug, Default, Clone, PartialEq, Aggregate)]
#[aggregate(
    id = OrderId,
    error = OrderError,
    commands(PlaceOrder, ShipOrder, CancelOrder),
    events(OrderPlaced, OrderShipped, OrderCancelled),
)]
pub(crate) struct Order {
    pub(crate) over: Option<&'static str>,
    pub(crate) ends: u32,
}

#[handlers]
impl Order {
    #[execute]
    fn place(&self, command: PlaceOrder) -> OrderPlaced {
        OrderPlaced { sku: command.sku, cents: command.cents }
    }
    #[execute]
    fn ship(&self, _: ShipOrder) -> Result<OrderShipped, OrderError> {
        self.over.map_or(Ok(OrderShipped), |over| Err(OrderError::Over(over)))
    }
    #[execute]
    fn cancel(&self, command: CancelOrder) -> Result<OrderCancelled, OrderError> {
        self.over.map_or(Ok(OrderCancelled { reason: command.reason }), |over| Err(OrderError::Over(over)))
    }
    #[apply]
    fn placed(&mut self, _: &OrderPlaced) {}
    #[apply]
    fn shipped(&mut self, _: &OrderShipped) {
        (self.over, self.ends) = (Some("shipped"), self.ends + 1);
    }
    #[apply]
    fn cancelled(&mut self, _: &OrderCancelled) {
        (self.over, self.ends) = (Some("cancelled"), self.ends + 1);
    }
}

#[derive(Debug, Default, Clone, PartialEq, Aggregate)]
#[aggregate(
    id = Sku,
    error = StockError,
    commands(AddStock, ReserveStock, ReleaseStock),
    events(StockAdded, StockReserved, StockReleased),
)]
pub(crate) struct Stock {
    pub(crate) left: u32,
    pub(crate) reserved: Vec<OrderId>,
}

#[handlers]
impl Stock {
    #[execute]
    fn add(&self, command: AddStock) -> StockAdded {
        StockAdded { quantity: command.quantity }
    }
    #[execute]
    fn reserve(&self, command: ReserveStock) -> Result<StockReserved, StockError> {
        if self.left == 0 { Err(StockError::NoneLeft) } else { Ok(StockReserved { order: command.order }) }
    }
    #[execute]
    fn release(&self, command: ReleaseStock) -> Option<StockReleased> {
        self.reserved.contains(&command.order).then_some(StockReleased { order: command.order })
    }
    #[apply]
    fn added(&mut self, event: &StockAdded) {
        self.left += event.quantity;
    }
    #[apply]
    fn reserved(&mut self, event: &StockReserved) {
        self.left -= 1;
        self.reserved.push(event.order.clone());
    }
    #[apply]
    fn released(&mut self, event: &StockReleased) {
        self.left += 1;
        self.reserved.retain(|order| *order != event.order);
    }
}

#[derive(Debug, Default, Clone, PartialEq, Aggregate)]
#[aggregate(
    id = OrderId,
    error = PaymentError,
    commands(AskPayment, TakePayment),
    events(PaymentAsked, PaymentTaken),
)]
pub(crate) struct Payment {
    pub(crate) asked: u32,
    pub(crate) taken: u32,
}

#[handlers]
impl Payment {
    #[execute]
    fn ask(&self, command: AskPayment) -> Result<PaymentAsked, PaymentError> {
        if command.cents > 1_000 {
            Err(PaymentError::TooMuch)
        } else {
            Ok(PaymentAsked { cents: command.cents })
        }
    }
    #[execute]
    fn take(&self, command: TakePayment) -> PaymentTaken {
        PaymentTaken { order: command.0 }
    }
    #[apply]
    fn asked(&mut self, _: &PaymentAsked) {
        self.asked += 1;
    }
    #[apply]
    fn taken(&mut self, _: &PaymentTaken) {
        self.taken += 1;
    }
}

/// The customer has not paid in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Timeout)]
pub(crate) struct PaymentOverdue {
    pub(crate) cents: u64,
}

/// How long a customer has to pay.
pub(crate) const TIME_TO_PAY: Duration = Duration::from_mins(15);

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, Process)]
#[process(
    id = OrderId,
    starts(OrderPlaced by stream),
    events(StockReserved by order, PaymentTaken by order, OrderShipped by stream, OrderCancelled by stream),
    from(Order, Stock, Payment),
    commands(ReserveStock, AskPayment, ShipOrder unrefused, ReleaseStock, CancelOrder unrefused),
    timeouts(PaymentOverdue),
)]
pub(crate) struct Fulfilment {
    pub(crate) cents: u64,
    pub(crate) sku: Option<Sku>,
    pub(crate) is_reserved: bool,
}

#[handlers]
impl Fulfilment {
    #[react]
    fn placed(&self, event: &OrderPlaced, id: &OrderId) -> ReserveStock {
        ReserveStock { sku: event.sku.clone(), order: id.clone() }
    }

    #[react]
    fn reserved(&self, event: &StockReserved) -> (AskPayment, After<PaymentOverdue>) {
        let overdue = PaymentOverdue { cents: self.cents };
        (AskPayment { order: event.order.clone(), cents: self.cents }, After(overdue, TIME_TO_PAY))
    }

    #[react]
    fn overdue(&self, timeout: &PaymentOverdue, id: &OrderId) -> (Option<ReleaseStock>, CancelOrder) {
        (self.release(id), CancelOrder { order: id.clone(), reason: format!("{} overdue", timeout.cents) })
    }

    #[react]
    fn paid(&self, _: &PaymentTaken, id: &OrderId) -> (Cancel<PaymentOverdue>, ShipOrder) {
        (Cancel::new(), ShipOrder(id.clone()))
    }

    #[react]
    fn shipped(&self, _: &OrderShipped) -> Done {
        Done
    }

    #[react]
    fn cancelled(&self, _: &OrderCancelled) -> Done {
        Done
    }

    #[refused]
    fn not_in_stock(&self, command: &ReserveStock, refusal: &StockError) -> CancelOrder {
        CancelOrder { order: command.order.clone(), reason: refusal.to_string() }
    }

    #[refused]
    fn not_released(&self, _: &ReleaseStock, _: &StockError) {}

    #[refused]
    fn not_asked(
        &self,
        _: &AskPayment,
        refusal: &PaymentError,
        id: &OrderId,
    ) -> (Cancel<PaymentOverdue>, Option<ReleaseStock>, CancelOrder) {
        (Cancel::new(), self.release(id), CancelOrder { order: id.clone(), reason: refusal.to_string() })
    }

    #[apply]
    fn begin(&mut self, event: &OrderPlaced) {
        (self.sku, self.cents) = (Some(event.sku.clone()), event.cents);
    }

    #[apply]
    fn remember(&mut self, _: &StockReserved) {
        self.is_reserved = true;
    }

    fn release(&self, order: &OrderId) -> Option<ReleaseStock> {
        let sku = self.sku.clone().filter(|_| self.is_reserved)?;
        Some(ReleaseStock { sku, order: order.clone() })
    }
}

pub(crate) fn order(name: &str) -> OrderId {
    OrderId(name.to_owned())
}

pub(crate) fn sku() -> Sku {
    Sku("tea".to_owned())
}

/// What a test of the shop needs.
pub(crate) struct Shop {
    /// The folder that the store belongs to, if it is this one's.
    _own_folder: Option<tempfile::TempDir>,
    pub(crate) folder: PathBuf,
    pub(crate) store: KeptStore,
    pub(crate) orders: Repository<Order, KeptStore>,
    pub(crate) stock: Repository<Stock, KeptStore>,
    pub(crate) payments: Repository<Payment, KeptStore>,
    pub(crate) clock: TestClock,
}

impl Shop {
    /// A shop that has so much stock.
    pub(crate) fn with_stock(quantity: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shop = Self::open(folder.path());
        shop.add_stock(quantity);
        Self { _own_folder: Some(folder), ..shop }
    }

    pub(crate) fn open(folder: &Path) -> Self {
        let store = open_kept(folder);
        let (orders, stock) = (store.repository::<Order>(), store.repository::<Stock>());
        let payments = store.repository::<Payment>();
        Self {
            _own_folder: None,
            folder: folder.to_owned(),
            store,
            orders,
            stock,
            payments,
            clock: TestClock::default(),
        }
    }

    pub(crate) fn add_stock(&self, quantity: u32) {
        self.stock.execute(AddStock { sku: sku(), quantity }).unwrap();
    }

    /// The names of all orders, which are numbers.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        let mut numbers = Vec::new();
        let filter = Filter::new().names(&["order-placed"]);
        let mut visit = |event: &StoredEvent<'_>| {
            numbers.push(event.envelope.key.parse().unwrap());
            std::ops::ControlFlow::Continue(())
        };
        self.store.read_all(filter, Position::START, usize::MAX, &mut visit).unwrap();
        numbers
    }

    /// Opens the store of the shop once more, as another program has it.
    pub(crate) fn again(&self) -> Self {
        Self { clock: self.clock.clone(), ..Self::open(&self.folder) }
    }

    /// Runs SQL past the store. Returns the first column of each row.
    pub(crate) fn sql(&self, sql: &str) -> Vec<String> {
        kept_sql(&self.folder, sql)
    }

    pub(crate) fn commands(&self) -> Arc<dyn Commands> {
        CommandRoutes::new().to(self.orders.clone()).to(self.stock.clone()).to(self.payments.clone()).shared()
    }

    pub(crate) fn process(&self) -> KeptProcess<Fulfilment> {
        self.process_with(self.commands())
    }

    pub(crate) fn process_with(&self, commands: Arc<dyn Commands>) -> KeptProcess<Fulfilment> {
        let process = KeptProcess::new(&self.store, Fulfilment::default(), commands).unwrap();
        process.clock(self.clock.clone())
    }

    pub(crate) fn place(&self, name: &str, cents: u64) {
        self.orders.execute(PlaceOrder { order: order(name), sku: sku(), cents }).unwrap();
    }

    pub(crate) fn pay(&self, name: &str) {
        self.payments.execute(TakePayment(order(name))).unwrap();
    }

    /// How an order has ended.
    pub(crate) fn end_of(&self, name: &str) -> Option<&'static str> {
        self.orders.load(&order(name)).unwrap().state().over
    }
}

//! Applications, processes and time-outs with all that their attributes know.

use std::time::Duration;

use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, AggregateId)]
struct OrderId(String);

#[derive(Debug, Serialize, Deserialize, Event)]
struct Placed {
    sku: String,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Paid {
    order: OrderId,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Shipped(OrderId);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Command)]
struct Place {
    #[command(id)]
    order: OrderId,
    sku: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Command)]
#[command(internal)]
struct Ship(OrderId);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Command)]
struct Pay(OrderId);

#[derive(Debug)]
struct Declined;

#[derive(Debug, Clone)]
struct Gateway;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = OrderId, commands(Place, Ship), events(Placed, Shipped), command(derive(Clone, PartialEq)))]
struct Order;

#[handlers]
impl Order {
    #[execute]
    fn place(&self, command: Place) -> Placed {
        Placed { sku: command.sku }
    }

    #[execute]
    fn ship(&self, command: Ship) -> Shipped {
        Shipped(command.0)
    }

    #[apply]
    fn placed(&mut self, _: &Placed) {}

    #[apply]
    fn shipped(&mut self, _: &Shipped) {}
}

mod payment {
    use super::{Declined, Gateway, OrderId, Paid, Pay};
    use factum::prelude::*;

    #[derive(Debug, Default, Clone, Aggregate)]
    #[aggregate(
        name = "payment", id = OrderId, error = Declined, services = Gateway, commands(Pay), events(Paid),
        command(derive(Clone, PartialEq))
    )]
    pub(super) struct Order;

    #[handlers]
    impl Order {
        #[execute]
        fn pay(&self, command: Pay, _: &Gateway) -> Result<Paid, Declined> {
            Ok(Paid { order: command.0 })
        }

        #[apply]
        fn paid(&mut self, _: &Paid) {}
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Timeout)]
#[timeout(name = "payment-overdue", version = 2, aliases("late"))]
struct Overdue {
    #[timeout(added(since = 2, default = 3))]
    times: u32,
}

#[derive(Debug, Serialize, Deserialize, Timeout)]
struct Forgotten;

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(
    name = "fulfilment",
    id = OrderId,
    starts(Placed by stream),
    events(Paid by order, Shipped by 0),
    from(Order, payment::Order),
    commands(Pay for payment::Order, Ship unrefused),
    timeouts(Overdue, Forgotten),
)]
struct Fulfilment {
    seen: u32,
}

#[handlers]
impl Fulfilment {
    #[apply]
    fn count(&mut self, _: &Placed) {
        self.seen += 1;
    }

    #[react]
    fn placed(&self, _: &Placed, id: &OrderId) -> (Pay, After<Overdue>, Option<At<Forgotten>>) {
        (Pay(id.clone()), After(Overdue { times: self.seen }, Duration::from_secs(9)), None)
    }

    #[react]
    fn paid(&self, event: &Paid, _: &Envelope<'_>) -> Result<(Vec<Ship>, Cancel<Overdue>), BoxError> {
        Ok((vec![Ship(event.order.clone())], Cancel::default()))
    }

    #[react]
    fn shipped(&self, _: &Shipped) -> Done {
        Done
    }

    #[react]
    fn overdue(&self, _: &Overdue) {}

    #[react]
    fn forgotten(&self, _: &Forgotten) {}

    #[refused]
    fn not_paid(&self, _: &Pay, _: &Declined, id: &OrderId) -> Ship {
        Ship(id.clone())
    }
}

#[derive(Clone, Projection)]
#[projection(
    events(Placed), from(Order), into = Sqlite, partition_by = stream, init = "CREATE TABLE board (id TEXT PRIMARY KEY)"
)]
struct Board;

#[handlers]
impl Board {
    #[project]
    fn placed(&self, _: &Placed, key: &str, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction.execute("INSERT INTO board VALUES (?1)", [key]).map(drop)
    }
}

#[derive(Default, Projection)]
#[projection(events(Placed), from(Order))]
struct Count(u32);

#[handlers]
impl Count {
    #[project]
    fn placed(&mut self, _: &Placed) {
        self.0 += 1;
    }
}

#[derive(Clone, Reaction)]
#[reaction(events(Placed), from(Order), partition_by = stream)]
struct Mails;

#[handlers]
impl Mails {
    #[react]
    fn placed(&self, _: &Placed) {}
}

#[derive(Application)]
#[application(
    name = "the-shop",
    aggregates(Order, payment::Order as Payment),
    json,
    command(name = AnyCommand, derive(Clone, PartialEq)),
)]
pub(crate) struct Shop {
    #[services(payment::Order)]
    gateway: Gateway,
    #[store]
    views: SqliteStore,
    #[projection(workers = 1 + 1, retry(2), delay = Duration::from_millis(5), dead_letters, store = views)]
    board: Board,
    #[projection]
    count: Count,
    #[reaction(workers = 2, retry(1), sequenced)]
    mails: Mails,
    #[process(senders = 2, retry(3), delay = Duration::from_millis(5))]
    fulfilment: Fulfilment,
}

/// An aggregate of another application, with a command of this one.
#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = OrderId, commands(Place), events(Placed))]
struct Gift;

#[handlers]
impl Gift {
    #[execute]
    fn place(&self, command: Place) -> Placed {
        Placed { sku: command.sku }
    }

    #[apply]
    fn placed(&mut self, _: &Placed) {}
}

#[derive(Application)]
#[application(aggregates(Gift, payment::Order))]
struct Gifts {
    #[services(payment::Order)]
    gateway: Gateway,
}

#[derive(Application)]
#[application(aggregates(Order))]
struct Inline(#[projection(inline)] Board);

#[derive(Application)]
#[application(aggregates(Order))]
struct Apart(#[reaction(store = 1)] Mails, #[store] SqliteStore);

fn main() -> Result<(), BoxError> {
    let (store, views) = (SqliteStore::in_memory()?, SqliteStore::in_memory()?);
    let shop = Shop {
        gateway: Gateway,
        views: views.clone(),
        board: Board,
        count: Count(0),
        mails: Mails,
        fulfilment: Fulfilment::default(),
    };
    let shop = shop.start(&store)?;
    let place = Place { order: OrderId("a".into()), sku: "book".into() };
    let command = AnyCommand::of(place.clone());
    assert_eq!(command, AnyCommand::Order(OrderCommand::Place(place)));
    shop.execute_any(command.clone())?;
    assert_eq!(serde_json::from_str::<AnyCommand>(&serde_json::to_string(&command)?)?, command);
    shop.wait_for_all(shop.store().position()?, Duration::from_secs(30))?;
    shop.stop(Duration::from_secs(30))?;

    let gifts = Gifts { gateway: Gateway }.start(&store)?;
    assert_eq!(gifts.execute(Place { order: OrderId("b".into()), sku: "book".into() })?.version(), 1);

    Inline(Board).start(&SqliteStore::in_memory()?)?.stop(Duration::from_secs(30))?;
    Apart(Mails, views).start(&store)?.stop(Duration::from_secs(30))?;
    Ok(())
}

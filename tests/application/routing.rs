//! Commands go to the aggregate that takes them.

use std::sync::Arc;
use std::thread;

use factum::ExecuteError;
use factum::application::{FollowerKind, Running};
use factum::prelude::*;

use super::shop::{
    Declined, Gateway, LONG, Order, OrderCommand, OrderError, Payment, Ship, TakePayment, id, place, shop,
};

#[derive(Application)]
#[application(aggregates(Order, Payment))]
struct Bare {
    #[services(Payment)]
    gateway: Gateway,
}

#[test]
fn a_command_goes_to_its_aggregate_on_any_store() {
    fn run<S: EventStore + Clone + 'static>(app: &Running<Bare, S>) {
        assert_eq!(app.execute(place("a", 10)).unwrap().state().cents, 10);
        // The enum, and a command of another aggregate with services.
        assert_eq!(app.execute(OrderCommand::from(Ship(id("a")))).unwrap().version(), 2);
        let pay = |cents| app.execute(TakePayment { order: id("a"), cents });
        assert_eq!(pay(10).unwrap().version(), 1);
        assert!(matches!(pay(11), Err(ExecuteError::Refused(Declined))));
        let refused = app.execute(place("a", 1)).unwrap_err();
        assert_eq!(refused.refusal(), Some(&OrderError::TooSmall { cents: 1 }));
        let retried = app.execute_with(place("a", 5), &ExecuteOptions::new().retry(3).expected_version(2));
        assert_eq!(retried.unwrap().version(), 3);

        assert_eq!(app.repository::<Order>().load(&id("a")).unwrap().state().cents, 15);
        assert_eq!(app.repository::<Payment>().history(&id("a")).unwrap().count(), 1);
        assert_eq!(app.store().position().unwrap().get(), 4);
    }
    run(&Bare { gateway: Gateway { limit: 10 } }.start(&MemoryStore::new()).unwrap());
    run(&Bare { gateway: Gateway { limit: 10 } }.start(&SqliteStore::in_memory().unwrap()).unwrap());
}

/// Threads share a running application.
#[test]
fn threads_share_an_application() {
    let (shop, _) = shop();
    let shop = Arc::new(shop);
    thread::scope(|scope| {
        for thread in 0..4 {
            let shop = Arc::clone(&shop);
            scope.spawn(move || shop.execute(place(&format!("order {thread}"), 10)).unwrap());
        }
    });
    shop.wait_for_all(shop.store().position().unwrap(), LONG).unwrap();
    assert_eq!(shop.view(|totals: &super::shop::Totals| totals.orders), Some(4));
}

/// Services in one field are those of several aggregates, in any order.
#[test]
fn aggregates_share_services() {
    #[derive(Application)]
    #[application(aggregates(Payment, other::Loan))]
    struct Lender(#[services(other::Loan, Payment)] Gateway);

    let lender = Lender(Gateway { limit: 10 }).start(&MemoryStore::new()).unwrap();
    lender.execute(TakePayment { order: id("a"), cents: 10 }).unwrap();
    lender.execute(other::Lend { loan: "a".into(), cents: 9 }).unwrap();
    assert!(lender.execute(other::Lend { loan: "a".into(), cents: 11 }).is_err());
}

mod other {
    use factum::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::super::shop::{Declined, Gateway};

    #[derive(Debug, Serialize, Deserialize, Event)]
    pub(super) struct Lent;

    #[derive(Debug, Command)]
    pub(super) struct Lend {
        #[command(id)]
        pub(super) loan: String,
        pub(super) cents: u64,
    }

    #[derive(Debug, Default, Clone, Aggregate)]
    #[aggregate(id = String, error = Declined, services = Gateway, commands(Lend), events(Lent))]
    pub(super) struct Loan;

    #[handlers]
    impl Loan {
        #[execute]
        fn lend(&self, command: Lend, gateway: &Gateway) -> Result<Lent, Declined> {
            if command.cents > gateway.limit { Err(Declined) } else { Ok(Lent) }
        }

        #[apply]
        fn lent(&mut self, _: &Lent) {}
    }
}

/// What an application is made of, as its fields and its list say.
#[test]
fn an_application_has_a_model() {
    use super::shop::Shop;

    assert_eq!(Shop::NAME, "shop");
    let aggregates: Vec<_> = Shop::MODEL.aggregates.iter().map(|aggregate| aggregate.name).collect();
    let followers: Vec<_> =
        Shop::MODEL.followers.iter().map(|follower| (follower.name, follower.kind)).collect();
    assert_eq!(aggregates, ["order", "payment"]);
    let (view, reaction) = (FollowerKind::Projection, FollowerKind::Reaction);
    assert_eq!(followers, [("order-board", view), ("sales", view), ("totals", view), ("mailer", reaction)]);
}

//! A chain of time-outs in the past ends, however slowly it advances. It takes seconds, so it runs on one store.

use std::time::Duration;

use factum::follow::InstanceState;
use factum::prelude::*;
use serde::{Deserialize, Serialize};

use crate::support::kept::KeptProcess;
use crate::support::shop::{Order, OrderId, OrderPlaced, ShipOrder, Shop, TIME_TO_PAY, order};

/// Reminds of an order again and again, each time a little later than the time before.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(id = OrderId, starts(OrderPlaced by stream), from(Order), commands(ShipOrder unrefused), timeouts(Remind, Once))]
struct Reminders;

#[derive(Debug, Serialize, Deserialize, Timeout)]
struct Remind {
    at: Timestamp,
}

#[derive(Debug, Serialize, Deserialize, Timeout)]
struct Once;

#[handlers]
impl Reminders {
    #[react]
    fn placed(&self, event: &OrderPlaced) -> (Option<At<Remind>>, Option<After<Once>>) {
        let at = Timestamp::from_micros(0);
        (
            (event.cents == 1).then_some(At(Remind { at }, at)),
            (event.cents == 2).then_some(After(Once, TIME_TO_PAY)),
        )
    }

    #[react]
    fn remind(&self, timeout: &Remind) -> At<Remind> {
        let at = timeout.at.after(Duration::from_millis(2));
        At(Remind { at }, at)
    }

    #[react]
    fn once(&self, _: &Once) -> Done {
        Done
    }
}

#[test]
fn a_chain_of_time_outs_in_the_past_is_a_dead_letter_and_lets_others_fire() {
    let shop = Shop::with_stock(0);
    let mut process =
        KeptProcess::new(&shop.store, Reminders, shop.commands()).unwrap().clock(shop.clock.clone());
    shop.place("chain", 1);
    shop.place("other", 2);
    shop.clock.forward(2 * TIME_TO_PAY);
    process.catch_up().unwrap();
    let letters = process.instances().dead_letters().unwrap();
    assert_eq!(
        (letters.len(), letters[0].instance.as_str(), letters[0].name.as_str()),
        (1, "chain", "remind")
    );
    assert!(letters[0].error.starts_with("the time-out is the 100001st in a row"), "{}", letters[0].error);
    let other = process.instances().get(&order("other")).unwrap();
    assert!(matches!(other, Some(InstanceState::Done(_))), "{other:?}");
}

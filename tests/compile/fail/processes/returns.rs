mod domain;

use domain::*;
use factum::prelude::*;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(
    id = OrderId,
    starts(Placed by stream),
    events(Reserved by order, Shipped by stream),
    from(Order, Stock),
    commands(Ship unrefused),
    timeouts(Overdue),
)]
struct Watch;

#[handlers]
impl Watch {
    #[react]
    fn placed(&self, event: &Placed) -> Reserve {
        Reserve(event.sku.clone())
    }

    #[react]
    fn reserved(&self, _: &Reserved) -> (Option<Ship>, After<Forgotten>) {
        (None, After(Forgotten, Duration::ZERO))
    }

    #[react]
    fn shipped(&self, _: &Shipped) -> (String, Done) {
        (String::new(), Done)
    }

    #[react]
    fn overdue(&self, _: &Overdue) -> Result<Vec<Shipped>, BoxError> {
        Ok(Vec::new())
    }

    #[refused]
    fn not_shipped(&self, command: &Ship, _: &TooLate) -> (Ship, Shipped) {
        (Ship(command.0.clone()), Shipped)
    }
}

fn main() {}

// errors: 5

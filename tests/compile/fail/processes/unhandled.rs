mod domain;

use domain::*;
use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(
    id = OrderId,
    starts(Placed by stream),
    events(Reserved by stream, Shipped by stream),
    from(Order, Stock),
    commands(Ship unrefused, Reserve),
    timeouts(Overdue, Forgotten),
)]
struct Watch;

#[handlers]
impl Watch {
    #[react]
    fn placed(&self, event: &Placed) -> Reserve {
        Reserve(event.sku.clone())
    }

    #[apply]
    fn reserved(&mut self, _: &Reserved) {}

    #[react]
    fn overdue(&self, _: &Overdue, _: &Envelope<'_>) {}
}

fn main() {}

// errors: 5

mod domain;

use domain::*;
use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(
    id = OrderId,
    starts(Placed by sku),
    events(Reserved by order),
    from(Order, Stock),
    commands(Reserve, Count unrefused, Refund unrefused),
    timeouts(Shipped),
)]
struct Watch;

#[handlers]
impl Watch {
    #[react]
    fn placed(&self, _: &Placed) {}

    #[react]
    fn reserved(&self, _: &Reserved, _: &Sku) {}

    #[react]
    fn late(&self, _: &Overdue) {}

    #[apply]
    fn forgotten(&mut self, _: &Forgotten) {}

    #[react]
    fn shipped(&self, _: &Shipped) {}

    #[refused]
    fn not_reserved(&self, _: &Reserve, _: &TooLate) {}

    #[refused]
    fn not_shipped(&self, _: &Ship, _: &TooLate) {}
}

fn main() {}

// errors: 9

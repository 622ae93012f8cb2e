//! Slips in the lists of a process. Of a list with one, nothing else is reported.
mod domain;

use domain::*;
use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(id = OrderId, starts = Placed, events(Shipped by stream), from(Order), commands(Ship unrefused))]
struct Assigned;

#[handlers]
impl Assigned {
    #[apply]
    fn placed(&mut self, _: &Placed) {}

    #[react]
    fn shipped(&self, _: &Shipped) -> Done {
        Done
    }
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(
    id = OrderId,
    starts(Placed on stream),
    from(Order),
    commands(Ship unrefused),
    timeouts(Overdue),
)]
struct OtherWord;

#[handlers]
impl OtherWord {
    #[react]
    fn placed(&self, _: &Placed, id: &OrderId) -> (Ship, After<Overdue>) {
        (Ship(id.clone()), After(Overdue, std::time::Duration::from_secs(60)))
    }

    #[react]
    fn overdue(&self, _: &Overdue) -> Done {
        Done
    }
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(
    id = OrderId,
    starts(Placed by stream),
    events(Reserved by self.order),
    from(Order, Stock),
    commands(Ship, unrefused),
)]
struct Fields;

#[handlers]
impl Fields {
    #[react]
    fn placed(&self, _: &Placed, id: &OrderId) -> Ship {
        Ship(id.clone())
    }

    #[react]
    fn reserved(&self, _: &Reserved) {}
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(
    id = OrderId,
    starts(Placed by stream),
    from(Order),
    commands(Ship unrefusd),
    timeouts(Overdue = 60),
)]
struct Misspelled;

#[handlers]
impl Misspelled {
    #[react]
    fn placed(&self, _: &Placed, id: &OrderId) -> (Ship, After<Overdue>) {
        (Ship(id.clone()), After(Overdue, std::time::Duration::from_secs(60)))
    }
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(id = OrderId, started_by(Placed by stream), from(Order), commands(Ship for Stock unrefused))]
struct OtherAggregate;

#[handlers]
impl OtherAggregate {
    #[react]
    fn placed(&self, _: &Placed, id: &OrderId) -> Ship {
        Ship(id.clone())
    }
}

#[derive(Debug, Timeout)]
struct NotStored;

fn main() {}

// errors: 9

//! What a process lists is there once: its events in `from(..)`, its commands in one aggregate.

mod domain;

use domain::*;
use factum::prelude::*;
use serde::{Deserialize, Serialize};

/// Takes a command of `Order`, too.
#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = OrderId, commands(Ship), events(Shipped))]
struct Parcel;

#[handlers]
impl Parcel {
    #[execute]
    fn ship(&self, _: Ship) -> Shipped {
        Shipped
    }

    #[apply]
    fn shipped(&mut self, _: &Shipped) {}
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(id = OrderId, starts(Placed by stream), events(Reserved by order), from(Order), commands(Reserve unrefused))]
struct FromOne;

#[handlers]
impl FromOne {
    #[react]
    fn placed(&self, event: &Placed) -> Reserve {
        Reserve(event.sku.clone())
    }

    #[react]
    fn reserved(&self, _: &Reserved) {}
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(id = OrderId, starts(Placed by stream), from(Order), commands(Ship unrefused))]
struct ToTwo;

#[handlers]
impl ToTwo {
    #[react]
    fn placed(&self, _: &Placed, id: &OrderId) -> Ship {
        Ship(id.clone())
    }
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(id = OrderId, starts(Placed by stream), from(Order), commands(Ship for Stock unrefused))]
struct ToAnother;

#[handlers]
impl ToAnother {
    #[react]
    fn placed(&self, _: &Placed, id: &OrderId) -> Ship {
        Ship(id.clone())
    }
}

fn main() {}

// errors: 3

//! A process without its derive, and a list of its own with types that lack theirs.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Placed;

#[derive(Debug, Clone, Serialize, Deserialize, Command)]
struct Place(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Place), events(Placed))]
struct Order;

#[handlers]
impl Order {
    #[execute]
    fn place(&self, _: Place) -> Placed {
        Placed
    }

    #[apply]
    fn placed(&mut self, _: &Placed) {}
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Overdue;

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(
    id = String,
    starts(Placed by stream),
    from(Order),
    commands(Place for),
    timeouts(Overdue),
)]
struct Watch;

#[handlers]
impl Watch {
    #[react]
    fn placed(&self, _: &Placed) -> Cancel<Overdue> {
        Cancel::default()
    }

    #[react]
    fn overdue(&self, _: &Overdue) {}
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[process(id = String, starts(Placed by stream), from(Order), commands(Place))]
struct Described;

#[handlers]
impl Described {
    #[apply]
    fn remember(&mut self, _: &Placed) {}
}

#[handlers]
impl Described {
    #[react]
    fn placed(&self, _: &Placed) -> Place {
        Place("b".into())
    }
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Bare;

#[handlers]
impl Bare {
    #[apply]
    fn remember(&mut self, _: &Placed) {}

    #[react]
    fn placed(&self, _: &Placed) -> Place {
        Place("b".into())
    }
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(
    id = String,
    starts(Placed by stream),
    from(Order),
    commands(Place),
)]
struct Counts;

#[handlers]
impl Counts {
    #[apply]
    fn remember(&mut self, _: &Placed) {}

    #[apply]
    fn forget(&mut self, _: &Overdue) {}
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(id = String, starts(OrderEvent by stream), from(Order), commands(Place), timeouts(Overdue))]
struct Enum;

#[handlers]
impl Enum {
    #[react]
    fn placed(&self, _: &Placed) {}

    #[react]
    fn overdue(&self, _: &Overdue) {}
}

fn main() {}
// errors: 6

mod domain;

use domain::*;
use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Clone, Process)]
#[process(
    id = OrderId,
    starts(Placed by stream),
    from(Order),
    commands(Ship unrefused),
)]
struct Watch;

#[handlers]
impl Watch {
    #[react]
    fn placed(&self, _: &Placed) {}
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(
    id = OrderId,
    starts(Reserved by ordr),
    from(Stock),
    commands(Ship unrefused),
)]
struct Misspelled;

#[handlers]
impl Misspelled {
    #[react]
    fn reserved(&self, _: &Reserved) {}
}

fn main() {
    let store = SqliteStore::in_memory().unwrap();
    let _ = SqliteProcess::new(&store, Order, factum::follow::CommandRoutes::new().shared());
}

// errors: 3

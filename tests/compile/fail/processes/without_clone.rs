mod domain;

use domain::*;
use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize, Process)]
#[process(
    id = OrderId,
    starts(Placed by stream),
    events(Shipped by stream),
    from(Order),
    commands(Ship unrefused),
    timeouts(Overdue),
)]
struct Watch;

#[handlers]
impl Watch {
    #[apply]
    fn placed(&mut self, _: &Placed) {}

    #[react]
    fn late(&self, _: &Overdue, id: &OrderId) -> Ship {
        Ship(id.clone())
    }

    #[react]
    fn shipped(&self, _: &Shipped) -> Done {
        Done
    }
}

#[derive(Application)]
#[application(aggregates(Order))]
struct Shop {
    #[process]
    watch: Watch,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Shop { watch: Watch }.start(&SqliteStore::in_memory()?)?;
    Ok(())
}

// errors: 1

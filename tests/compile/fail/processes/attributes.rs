mod domain;

use domain::*;
use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(name = "nothing", id = OrderId)]
struct Nothing;

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(
    id = OrderId,
    starts(Placed),
    from(Order),
    commands(Ship unrefused),
)]
struct WithoutBy;

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(
    id = OrderId,
    starts(Placed by stream),
    events(Placed by stream),
    from(Order),
    commands(Ship unrefused, Ship unrefused),
)]
struct Twice;

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(
    id = OrderId,
    starts(Placed by stream),
    from(Order),
    commands(Ship, Place, Reserve),
)]
struct Signatures;

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(id = OrderId, starts(Placed by stream), from(Order), commands(Ship unrefused))]
struct Generic<T>(T);

#[derive(Debug, Serialize, Deserialize, Timeout)]
enum Late {
    Once,
}

#[handlers]
impl Twice {
    #[react]
    fn placed(&self, _: &Placed) {}
}

#[handlers]
impl Signatures {
    #[react]
    fn placed(&self, _: &Placed) {}

    #[refused]
    fn not_shipped(&self, _: &Ship) {}

    #[refused]
    fn not_placed(&mut self, _: &Place, _: &TooLate) {}

    #[refused]
    fn not_reserved(&self, _: Reserve, _: &NoneLeft) {}
}

fn main() {}

// errors: 9

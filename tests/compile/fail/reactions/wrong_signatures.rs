use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Deposited {
    cents: u64,
}
use factum::follow::Delivery;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Closed;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Frozen;

#[derive(Reaction)]
#[reaction(events(Opened, Deposited, Closed, Frozen), from("account"), version = 2, partition_by = account)]
struct Mails;

#[handlers]
impl Mails {
    #[react]
    fn opened(&self, _: &Opened) {}

    #[react]
    fn deposited(&self, _: Deposited) {}

    #[react]
    fn closed(&self, _: &Closed, _: &Envelope<'_>, _: &str, _: &Delivery, _: u8) {}

    #[react]
    fn frozen(self, _: &Frozen) {}
}

fn main() {}

// errors: 5

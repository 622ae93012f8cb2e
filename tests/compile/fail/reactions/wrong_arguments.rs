use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Deposited {
    cents: u64,
}

#[derive(Reaction)]
#[reaction(events(Opened, Deposited), from("account"))]
struct Mails;

#[handlers]
impl Mails {
    #[react]
    fn opened(&self, _: &Opened, _: &bool) {}

    #[react]
    fn deposited(&self, _: &Deposited) -> u8 {
        0
    }
}

fn main() {}

// errors: 2

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Deposited {
    cents: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Closed;

/// A process sends commands. A reaction gives them to its `Delivery`.
#[derive(Debug, Command)]
struct Close(String);

#[derive(Reaction)]
#[reaction(events(Opened, Deposited, Closed), from("account"))]
struct Mails;

#[handlers]
impl Mails {
    #[react]
    fn opened(&self, _: &Opened, _: &bool) {}

    #[react]
    fn deposited(&self, _: &Deposited) -> u8 {
        0
    }

    #[react]
    fn closed(&self, _: &Closed) -> Close {
        Close(String::new())
    }
}

fn main() {}

// errors: 3

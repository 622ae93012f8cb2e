use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Deposited {
    cents: u64,
}

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug, Command)]
struct Deposit {
    #[command(id)]
    account: String,
    cents: u64,
}

#[derive(Debug, Default, Projection)]
#[projection(events(Opened, Deposited), from("account"))]
struct Totals;

#[handlers]
impl Totals {
    #[project]
    fn opened(&mut self, _: Opened) {}

    #[project]
    fn deposited(&mut self, _: &Deposited, _: &Envelope<'_>, _: &str, _: &(), _: u8) {}
}

fn main() {}

// errors: 2

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

#[derive(Debug, Command)]
struct Close {
    #[command(id)]
    account: u64,
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Open, Close), events(Opened))]
struct Account;

#[handlers]
impl Account {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[execute]
    fn close(&self, _: Close) {}

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

fn main() {}

// errors: 1

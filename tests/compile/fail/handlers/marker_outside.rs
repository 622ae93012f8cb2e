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

#[derive(Debug, Default, Clone)]
struct Account;

impl Account {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }
}

#[apply]
fn opened(_: &Opened) {}

// `#[handlers]` does not look into a `cfg_attr`.
#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Open, Deposit), events(Opened, Deposited))]
struct Ledger;

#[handlers]
impl Ledger {
    #[cfg_attr(all(), execute)]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[execute]
    fn deposit(&self, command: Deposit) -> Deposited {
        Deposited { cents: command.cents }
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}

    #[apply]
    fn deposited(&mut self, _: &Deposited) {}
}

fn main() {}

// errors: 3

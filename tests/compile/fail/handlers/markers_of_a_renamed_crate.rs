//! A mistake in a marker is one error, also under another name of the crate.

extern crate factum as ledger;

use ledger::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(crate = ledger)]
struct Opened;

#[derive(Debug, Command)]
#[command(crate = ledger)]
struct Open(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(crate = ledger, id = String, commands(Open), events(Opened))]
struct Account;

#[handlers(crate = ledger)]
impl Account {
    #[ledger::exceute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[ledger::apply(event = Opened)]
    fn opened(&mut self, _: &Opened) {}
}

fn main() {}

// errors: 2

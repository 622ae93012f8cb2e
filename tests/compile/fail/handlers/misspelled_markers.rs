//! rustc's error about a misspelled marker is the only one.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Closed;

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug, Command)]
struct Close(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Open, Close), events(Opened, Closed))]
struct Account;

#[handlers]
impl Account {
    #[excute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[factum::exceute]
    fn close(&self, _: Close) -> Closed {
        Closed
    }

    #[Apply]
    fn opened(&mut self, _: &Opened) {}

    #[handlers::apply]
    fn closed(&mut self, _: &Closed) {}
}

fn main() {}

// errors: 4

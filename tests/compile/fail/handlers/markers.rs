//! Markers with arguments, by a wrong path, and on what is no method. Each is one error.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Closed;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Moved;

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug, Command)]
struct Close(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Open, Close), events(Opened, Closed, Moved))]
struct Account;

#[handlers]
impl Account {
    #[execute]
    const LIMIT: u64 = 5;

    #[apply]
    nothing!();

    #[execute = "open"]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[factum::handlers::execute]
    fn close(&self, _: Close) -> Closed {
        Closed
    }

    #[apply(event = Opened)]
    fn opened(&mut self, _: &Opened) {}

    #[factum::apply()]
    fn closed(&mut self, _: &Closed) {}

    // A module that has the marker.
    #[factum::prelude::apply]
    fn moved(&mut self, _: &Moved) {}
}

macro_rules! nothing {
    () => {};
}
use nothing;

fn main() {}

// errors: 6

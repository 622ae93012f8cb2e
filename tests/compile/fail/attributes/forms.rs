//! Values in another form than their key has, and keys under another name. Each is one error, with what to write instead.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event = "was-opened"]
struct Opened;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(version(2))]
struct Closed {
    #[event(added(2, default = 1))]
    times: u8,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2, aliases = ["finished"])]
struct Ended {
    #[event(renamed(since = 2, from = count))]
    times: u8,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2, removed(since = 2, name = "gift", type = bool))]
struct Begun {
    #[event(added(in = 2, default(1)))]
    times: u8,
}

#[derive(Debug, Command)]
struct Open {
    #[command]
    account: String,
}

#[derive(Debug, Command)]
struct Close(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id(String), commands(Open), commands(Close), events = (Opened, Closed), event(derive(Clone), serde(tag = "kind")))]
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

    #[apply]
    fn closed(&mut self, _: &Closed) {}
}

#[derive(Debug, Command)]
struct Knock(String);

#[derive(Debug, Default, Clone, Serialize, Deserialize, Aggregate)]
#[aggregate(key = String, commands = Knock, events(Ended), command(Clone), snapshot(100))]
struct Door;

#[handlers]
impl Door {
    #[execute]
    fn knock(&self, _: Knock) {}

    #[apply]
    fn ended(&mut self, _: &Ended) {}
}

#[derive(Debug, Clone, Command)]
struct Ring(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, command(Ring), events(Begun { .. }), retired(Opened), command(derive(Clone)))]
struct Bell;

#[handlers]
impl Bell {
    #[execute]
    fn ring(&self, _: Ring) {}

    #[apply]
    fn begun(&mut self, _: &Begun) {}

    #[upcast]
    fn opened(_: Opened) -> Begun {
        Begun { times: 1 }
    }
}

#[derive(Default, Projection)]
#[projection(events(Opened), aggregates(Account), inline)]
struct Openings;

#[handlers]
impl Openings {
    #[project]
    fn opened(&mut self, _: &Opened) {}
}

fn main() {}

// errors: 21

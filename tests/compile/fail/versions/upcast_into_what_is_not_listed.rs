use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Begun;

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug, Serialize, Deserialize, Event)]
struct Noticed;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened), retired(Begun))]
struct Account;

#[handlers]
impl Account {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}

    #[upcast]
    fn begun(_: Begun) -> Noticed {
        Noticed
    }
}

fn main() {}

// errors: 1

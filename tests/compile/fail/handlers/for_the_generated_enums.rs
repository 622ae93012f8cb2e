use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened))]
struct Account;

#[handlers]
impl Account {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[execute]
    fn any(&self, _: AccountCommand) -> Opened {
        Opened
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}

    #[apply]
    fn anything(&mut self, _: &AccountEvent) {}
}

fn main() {}

// errors: 2

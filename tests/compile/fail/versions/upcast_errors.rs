//! What an `#[upcast]` function fails with is an error.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Begun;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Started;

#[derive(Debug, Command)]
struct Open(String);

struct Unreadable;

mod old {
    pub type Result<T> = std::result::Result<T, super::Unreadable>;
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened), retired(Begun, Started))]
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
    fn begun(_: Begun) -> Result<Opened, Unreadable> {
        Ok(Opened)
    }

    #[upcast]
    fn started(_: Started) -> old::Result<Opened> {
        Ok(Opened)
    }
}

fn main() {}

// errors: 2

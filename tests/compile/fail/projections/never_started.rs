//! A follower that is not started, or is dropped at once, does nothing.

#![deny(unused_must_use)]

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

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Debug, Default, Projection)]
#[projection(from(Account), events(Opened), into = Sqlite)]
struct Total;

#[handlers]
impl Total {
    #[project]
    fn opened(&mut self, _: &Opened) {}
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = SqliteStore::in_memory()?;
    SqliteProjection::new(&store, Total)?.follow();
    SqliteProjection::new(&store, Total)?.follow().start()?;
    Ok(())
}

// errors: 2

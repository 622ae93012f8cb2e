use factum::prelude::*;
use factum::sqlite::rusqlite::Transaction;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Closed;

// In memory, where there is no transaction.
#[derive(Debug, Default, Projection)]
#[projection(events(Opened, Closed), from("account"))]
struct Totals;

#[handlers]
impl Totals {
    #[project]
    fn opened(&mut self, _: &Opened, _: &Transaction<'_>) {}

    #[project]
    fn closed(&mut self, _: &Closed) -> u8 {
        0
    }
}

fn main() {}

// errors: 2

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Deposited {
    cents: u64,
}

#[derive(Clone, Projection)]
#[projection(events(Opened), from("account"), into = Sqlite)]
struct Totals;

#[handlers]
impl Totals {
    #[project]
    fn opened(&self, _: &Opened) {}
}

fn main() {
    let store = SqliteStore::in_memory().unwrap();
    let _ = SqliteProjection::new(&store, Totals).unwrap().workers(2);
}

// errors: 1

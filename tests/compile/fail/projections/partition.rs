use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Deposited {
    cents: u64,
}

#[derive(Clone, Projection)]
#[projection(events(Opened), from("account"), into = Sqlite, partition_by = account)]
struct ByAccount;

#[handlers]
impl ByAccount {
    #[project]
    fn opened(&self, _: &Opened) {}
}

#[derive(Clone, Projection)]
#[projection(events(Opened), from("account"), into = Sqlite, partition_by)]
struct ByNothing;

#[handlers]
impl ByNothing {
    #[project]
    fn opened(&self, _: &Opened) {}
}

fn main() {}

// errors: 2

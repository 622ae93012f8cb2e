use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Deposited {
    cents: u64,
}

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug, Command)]
struct Deposit {
    #[command(id)]
    account: String,
    cents: u64,
}

#[derive(AggregateId)]
struct Pair(u8, u8);

#[derive(AggregateId)]
struct Floating(f64);

#[derive(AggregateId)]
enum Named {
    One,
}

fn main() {}

// errors: 3

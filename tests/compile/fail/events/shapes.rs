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

#[derive(Debug, Serialize, Deserialize, Event)]
enum Either {
    Left,
    Right,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Generic<T> {
    value: T,
}

#[derive(Event)]
union Both {
    one: u8,
    other: i8,
}

fn main() {}

// errors: 3

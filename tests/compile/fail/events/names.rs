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
#[event(name = "")]
struct Empty;

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "two words")]
struct Spaced;

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "bell\u{7}", aliases("a/b"))]
struct Control;

fn main() {}

// errors: 4

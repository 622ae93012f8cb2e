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

#[derive(Debug, Command)]
enum Either {
    Left(String),
}

#[derive(Debug, Command)]
struct Generic<T>(T);

#[derive(Debug, Command)]
struct Borrowing<'a>(&'a str);

#[derive(Debug, Command)]
struct Misspelled {
    #[command(id, di)]
    account: String,
}

fn main() {}

// errors: 4

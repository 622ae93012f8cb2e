use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug)]
struct Unlucky;

fn parse(_: String) -> Result<u64, Unlucky> {
    Err(Unlucky)
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct Deposited {
    #[event(changed(since = 2, from = String, try_with = parse))]
    cents: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct Withdrawn {
    #[event(changed(since = 2, from = u32, with = |old, other| old + other))]
    cents: u64,
}

fn main() {}

// errors: 2

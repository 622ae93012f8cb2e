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
#[event(nmae = "a")]
struct Misspelled;

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "a", name = "b")]
struct Twice;

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = 3)]
struct NameOfANumber;

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 0)]
struct VersionZero;

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = "2")]
struct VersionOfText;

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 4294967296)]
struct VersionTooGreat;

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(aliases = "old")]
struct AliasAssigned;

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "a", aliases("b", "b", "a"))]
struct SameAlias;

#[derive(Debug, Serialize, Deserialize, Event)]
#[event]
struct Nothing;

#[derive(EventSchema)]
struct InEvents {
    #[event_schema(recursive = true)]
    one: Vec<u8>,
    #[event_schema(recursiv)]
    other: Vec<u8>,
}

fn main() {}

// errors: 12

//! Slips in the attributes of an event and of its fields. Each is one error.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name: "colon")]
struct Colon;

#[derive(Debug, Serialize, Deserialize, Event)]
#[event("no-key")]
struct NoKey;

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name "no-sign")]
struct NoSign;

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name("in-parentheses"), aliases(old))]
struct WrongForms;

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = "2")]
struct VersionInQuotes {
    #[event(added(since = 2, default = 0))]
    cents: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(verson = 2)]
struct Misspelled {
    #[event(aded(sinse = 2, defalt = 0))]
    cents: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct NoComma {
    #[event(added(since = 2 default = 0))]
    cents: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct NoKeyInside {
    #[event(added(2, default = 0))]
    cents: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct Braces {
    #[event(added { since = 2, default = 0 })]
    cents: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct Comment {
    #[event(
        /// Free at first.
        added(since = 2, default = 0)
    )]
    cents: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct Unfinished {
    #[event(added(since = 2, default = 1 +))]
    cents: u64,
    #[event(changed(since = 2, from = u32, with = u64::))]
    total: u64,
    #[event(added(since = 2, default = match true))]
    tips: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct FunctionInQuotes {
    #[event(changed(since = 2, from = u32, with = "u64::from"))]
    cents: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct Returning {
    #[event(added(since = 2, default = "5".parse()?))]
    cents: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct Empty {
    #[event(added())]
    cents: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct WithoutAChange {
    #[event(since = 2, default = 0)]
    cents: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct OfTheStruct {
    #[event(removed(since = 2, name = "branch", ty = String))]
    cents: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2, added(since = 2, default = 0))]
struct OfAField {
    cents: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2, removed(since = 2, name = "branch", ty = &str))]
struct Borrowed {
    #[event(changed(since = 2, from = &'static [u8], with = |old| old.len()))]
    cents: usize,
}

fn main() {}

// errors: 25

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Deposited {
    cents: u64,
    #[serde(skip)]
    session: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Withdrawn {
    #[serde(skip_serializing, default)]
    cents: u64,
    #[serde(default, skip_deserializing)]
    branch: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Closed(u64, #[serde(skip)] u64);

// No change of such a field can be stored either.
#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct Moved {
    #[serde(skip)]
    #[event(changed(since = 2, from = u32, with = u64::from))]
    cents: u64,
    #[event(added(since = 2, default = 0))]
    #[serde(skip)]
    branch: u64,
    #[serde(skip)]
    #[event(renamed(since = 2, from = "by"))]
    clerk: u64,
}

// Comes back as it was.
#[derive(Debug, Serialize, Deserialize, Event)]
struct Noted {
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

fn main() {}

// errors: 7

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct Opened {
    #[event(renamed(since = 2, from = "times"))]
    times: u8,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 3)]
struct Closed {
    #[event(renamed(since = 2, from = "count"), renamed(since = 3, from = "number"))]
    count: u8,
}

fn main() {}

// errors: 1

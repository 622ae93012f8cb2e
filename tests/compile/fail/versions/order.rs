use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 3)]
struct OutOfOrder {
    #[event(renamed(since = 3, from = "b"), changed(since = 2, from = u8, with = u16::from))]
    a: u16,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct Twice {
    #[event(renamed(since = 2, from = "b"), renamed(since = 2, from = "c"))]
    a: u8,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 3)]
struct AddedAfterwards {
    #[event(renamed(since = 2, from = "b"), added(since = 3, default = 0))]
    a: u8,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct NewAndRenamed {
    #[event(added(since = 2, default = 0), renamed(since = 2, from = "b"))]
    a: u8,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 3, removed(since = 2, added = 3, name = "b", ty = u8))]
struct GoneBeforeItCame {
    a: u8,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct OneNameForTwo {
    a: u8,
    #[event(renamed(since = 2, from = "a"))]
    b: u8,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2, removed(since = 2, name = "a", ty = u8))]
struct RemovedAndThere {
    a: u8,
}

fn main() {}

// errors: 7

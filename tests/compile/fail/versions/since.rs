use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct SinceTheBeginning {
    #[event(added(since = 1, default = 0), renamed(since = 2, from = "b"))]
    a: u8,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct SinceTheFuture {
    #[event(added(since = 2, default = 0), renamed(since = 3, from = "b"))]
    a: u8,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct WithoutVersion {
    #[event(added(since = 2, default = 0))]
    a: u8,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 3)]
struct Gap {
    #[event(added(since = 3, default = 0))]
    a: u8,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct NothingDeclared {
    a: u8,
}

fn main() {}

// errors: 5

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct Unfinished {
    #[event(added(since = 2, default = 1 +))]
    a: u8,
    #[event(changed(since = 2, from = u32, with = u64::))]
    b: u64,
    #[event(changed(since = 2, from = u32, try_with = |old| old.try_into() +))]
    c: u8,
    #[event(added(since = 2, default = 1 2))]
    d: u8,
}

fn main() {}

// errors: 4

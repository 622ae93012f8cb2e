use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2, removed(since = 2, nme = "c"))]
struct Keys {
    #[event(added(since = 2))]
    a: u8,
    #[event(renamed(form = "old"))]
    b: u8,
    #[event(changed(since = 2, from = u8))]
    c: u16,
    #[event(changed(since = 2, from = u8, with = u16::from, try_with = u16::try_from))]
    d: u16,
    #[event(added = 2)]
    e: u8,
    #[event(name = "f")]
    f: u8,
}

fn main() {}

// errors: 8

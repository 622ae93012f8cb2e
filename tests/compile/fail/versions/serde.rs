use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize, Event)]
#[serde(default)]
#[event(version = 2)]
struct Defaulted {
    #[event(added(since = 2, default = 0))]
    a: u8,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[serde(from = "u8", into = "u8")]
#[event(version = 2)]
struct AsAnother {
    #[event(added(since = 2, default = 0))]
    a: u8,
}

impl From<u8> for AsAnother {
    fn from(a: u8) -> Self {
        Self { a }
    }
}

impl From<AsAnother> for u8 {
    fn from(it: AsAnother) -> Self {
        it.a
    }
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2, removed(since = 2, name = "b", ty = u8))]
struct Tuple(#[event(renamed(since = 2, from = "a"))] u8);

fn main() {}

// errors: 5

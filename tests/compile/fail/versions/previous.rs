use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "counted")]
struct CountedV1;

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "counted", version = 3, previous = CountedV1)]
struct TwoBelow;

impl From<CountedV1> for TwoBelow {
    fn from(_: CountedV1) -> Self {
        Self
    }
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "numbered", version = 2, previous = CountedV1)]
struct OtherName;

impl From<CountedV1> for OtherName {
    fn from(_: CountedV1) -> Self {
        Self
    }
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "counted", version = 2, previous = CountedV1)]
struct NoConversion;

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "counted", previous = CountedV1)]
struct FirstVersion;

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "counted", version = 3, previous(since = 2, from = CountedV1))]
struct BeforeThat {
    #[event(added(since = 2, default = 0))]
    a: u8,
    #[event(added(since = 3, default = 0))]
    b: u8,
}

impl From<CountedV1> for BeforeThat {
    fn from(_: CountedV1) -> Self {
        Self { a: 0, b: 0 }
    }
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "counted", version = 2, previous(since = 2))]
struct WithoutFrom {
    count: u8,
}

fn main() {}

// errors: 6

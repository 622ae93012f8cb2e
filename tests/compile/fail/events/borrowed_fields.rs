use std::borrow::Cow;

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened {
    owner: Option<&'static str>,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Renamed {
    #[serde(borrow)]
    owner: Cow<'static, str>,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Sealed(&'static [u8]);

fn main() {}

// errors: 3

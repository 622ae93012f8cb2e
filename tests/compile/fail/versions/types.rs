use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct DefaultOfAnotherType {
    #[event(added(since = 2, default = "none"))]
    a: u8,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct ConversionOfAnotherType {
    #[event(changed(since = 2, from = String, with = widened))]
    a: u16,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct ConversionToAnotherType {
    #[event(changed(since = 2, from = u8, with = widened_twice))]
    a: u16,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct NotFallible {
    #[event(changed(since = 2, from = u8, try_with = widened))]
    a: u16,
}

fn widened(old: u8) -> u16 {
    old.into()
}

fn widened_twice(old: u8) -> u32 {
    old.into()
}

fn main() {}

// errors: 4

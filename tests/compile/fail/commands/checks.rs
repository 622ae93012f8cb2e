//! `#[validate]` names a function of the field's or the struct's type.

use factum::Command;

#[derive(Debug, Command)]
#[validate]
struct Nothing(String);

#[derive(Debug, Command)]
struct Options {
    #[command(id)]
    order: String,
    #[validate(length(min = 1))]
    note: Vec<u8>,
    #[validate = "positive"]
    cents: u64,
    #[validate("positive")]
    tax: u64,
    #[validate(positive, positive)]
    tip: u64,
}

#[derive(Debug, Command)]
struct OfAnotherType {
    #[command(id)]
    #[validate(positive)]
    order: String,
}

#[derive(Debug, Command)]
struct NoFunction {
    #[command(id)]
    order: String,
    #[validate(LIMIT)]
    cents: u64,
}

#[derive(Debug, Command)]
struct NoResult {
    #[command(id)]
    order: String,
    #[validate(is_positive)]
    cents: u64,
}

#[derive(Debug, Command)]
struct NoError {
    #[command(id)]
    order: String,
    #[validate(positive_or_nothing)]
    cents: u64,
}

#[derive(Debug, Command)]
#[validate(Either::is_right)]
enum Either {
    Left(String),
}

#[derive(Debug, Command)]
#[validate(Generic::is_right)]
struct Generic<T> {
    #[command(id)]
    order: T,
}

const LIMIT: u64 = 5;

fn positive(number: &u64) -> Result<(), &'static str> {
    if *number > 0 { Ok(()) } else { Err("must be positive") }
}

fn is_positive(number: &u64) -> bool {
    *number > 0
}

fn positive_or_nothing(number: &u64) -> Result<(), ()> {
    if *number > 0 { Ok(()) } else { Err(()) }
}

fn main() {}

// errors: 11

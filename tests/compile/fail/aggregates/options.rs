use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Deposited {
    cents: u64,
}

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug, Command)]
struct Deposit {
    #[command(id)]
    account: String,
    cents: u64,
}

#[derive(Debug, Default, Clone, Aggregate)]
struct Bare;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, command(Open), events(Opened))]
struct Singular;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(), events(Opened, Opened))]
struct EmptyAndTwice;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(name = "bank account", id = String, eror = u8, commands = Open, event(nmae = A), events(Opened))]
struct Named;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened))]
struct Generic<T> {
    value: T,
}

#[derive(Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened))]
union Both {
    one: u8,
    other: i8,
}

// Of the lists that are right, nothing is missing.
macro_rules! apply_opened {
    ($($aggregate:ident)*) => {$(
        impl Apply<Opened> for $aggregate {
            fn apply(&mut self, _: &Opened) {}
        }
    )*};
}

apply_opened!(Singular EmptyAndTwice Named);

// A singular list is read as its plural.
#[handlers]
impl Singular {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }
}

// So is a type that stands behind `=`.
#[handlers]
impl Named {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }
}

fn main() {}

// errors: 10

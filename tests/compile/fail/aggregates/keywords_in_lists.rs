use factum::prelude::*;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Self), events(crate))]
struct Account;

fn main() {}

// errors: 2

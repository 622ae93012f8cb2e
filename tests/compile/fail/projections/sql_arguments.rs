use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Closed;

#[derive(Debug, Default, Projection)]
#[projection(events(Opened, Closed), from("account"), into = Sql)]
struct Totals;

#[handlers]
impl Totals {
    #[project]
    fn opened(&self, _: &Opened, _: &dyn SqlTransaction) {}

    #[project]
    fn closed(&self, _: &Closed, _: &'static mut dyn SqlTransaction) {}
}

#[derive(Debug, Default, Reaction)]
#[reaction(events(Opened), from("account"))]
struct Mails;

#[handlers]
impl Mails {
    #[react]
    fn opened(&self, _: &Opened, _: &mut dyn SqlTransaction) {}
}

// The trait, in place of the target.
#[derive(Debug, Default, Projection)]
#[projection(events(Opened), from("account"), into = SqlTransaction)]
struct Owners;

#[handlers]
impl Owners {
    #[project]
    fn opened(&self, _: &Opened) {}
}

fn main() {}

// errors: 4

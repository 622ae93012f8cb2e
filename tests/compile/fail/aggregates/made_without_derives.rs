//! Types that a macro of the user makes, so that ours find no derive beside them: rustc reports these.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

macro_rules! plain {
    ($($name:ident)*) => {$(
        #[derive(Debug, Clone)]
        pub struct $name(pub String);
    )*};
}

plain! { Closed Close Doors }

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Open, Close), events(Opened, Closed))]
struct Door;

#[handlers]
impl Door {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[execute]
    fn close(&self, _: Close) {}

    #[apply]
    fn opened(&mut self, _: &Opened) {}

    #[apply]
    fn closed(&mut self, _: &Closed) {}
}

#[derive(Application)]
#[application(aggregates(Door))]
struct House {
    #[projection]
    doors: Doors,
}

fn main() {}
// errors: 3

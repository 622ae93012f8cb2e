// A reaction gets a refusal as an error.
use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened))]
struct Door;

#[handlers]
impl Door {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Reaction)]
#[reaction(events(Opened), from(Door), commands(Open unrefused))]
struct Porter;

#[handlers]
impl Porter {
    #[react]
    fn opened(&self, _: &Opened) {}
}

fn main() {}
// errors: 1

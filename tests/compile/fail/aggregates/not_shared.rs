//! The state of an aggregate is shared by threads, and so are its services.

use std::cell::Cell;
use std::rc::Rc;

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened))]
struct Door {
    owner: Rc<str>,
}

#[handlers]
impl Door {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Debug, Command)]
struct Close(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Close), events(Opened), services = Cell<u8>)]
struct Gate;

#[handlers]
impl Gate {
    #[execute]
    fn close(&self, _: Close, _: &Cell<u8>) -> Opened {
        Opened
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

fn main() {
    MemoryStore::new().repository::<Door>();
}
// errors: 2

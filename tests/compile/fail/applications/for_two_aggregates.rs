//! A command of two aggregates is refused where they are listed; where its aggregate is known, it is no further error.

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

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened))]
struct Lock;

#[handlers]
impl Lock {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Application)]
#[application(aggregates(Door, Lock))]
struct House;

fn main() {
    let house = House.start(&MemoryStore::new()).unwrap();
    // Its aggregate is known: no error of its own.
    let _ = house.repository::<Lock>().execute(Open("a".into()));
    let _ = house.execute(LockCommand::from(Open("a".into())));
}
// errors: 2, at the list and at the last call: while the list is refused, the second aggregate gets no commands

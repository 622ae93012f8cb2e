//! An application can tell from the name of a command where it goes.

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

#[derive(Debug, Serialize, Deserialize, Event)]
struct Rung;

#[derive(Debug, Command)]
struct Ring(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Ring), events(Rung))]
struct Bell;

#[handlers]
impl Bell {
    #[execute]
    fn ring(&self, _: Ring) -> Rung {
        Rung
    }

    #[apply]
    fn rung(&mut self, _: &Rung) {}
}

#[derive(Debug, Command)]
#[command(name = "open")]
struct Unlock(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Unlock), events(Opened))]
struct Lock;

#[handlers]
impl Lock {
    #[execute]
    fn unlock(&self, _: Unlock) -> Opened {
        Opened
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Open, Unlock), events(Opened))]
struct Gate;

#[handlers]
impl Gate {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[execute]
    fn unlock(&self, _: Unlock) -> Opened {
        Opened
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Application)]
#[application(aggregates(Bell, Door, Lock))]
struct House;

#[derive(Application)]
#[application(aggregates(Bell, Gate))]
struct Garden;

/// The list is reported, and no call of such a command.
#[derive(Application)]
#[application(aggregates(Bell, Door, Gate))]
struct Yard;

fn main() {
    let yard = Yard.start(&MemoryStore::new()).unwrap();
    let _ = yard.execute(Open("a".into()));
    let _ = yard.execute(Ring("a".into()));
    let _ = yard.execute_any(YardCommand::of(Open("a".into())));
    let _ = yard.repository::<Gate>().execute(Open("a".into()));
}
// errors: 3

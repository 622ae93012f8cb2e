//! A trait in scope that gives every type constants with names that factum might use.

#![deny(warnings)]
#![allow(dead_code)]

use factum::prelude::*;
use serde::{Deserialize, Serialize};

macro_rules! constants {
    ($($name:ident)*) => {
        trait Constants {
            $(const $name: u8 = 0;)*
        }

        impl<T: ?Sized> Constants for T {}
    };
}

constants! {
    AGGREGATE APPLIES AWAITS CATEGORY CODEC EMITS EVENTS FIELDS FINGERPRINT FOLLOWED FROM HAS INDEX INIT IS IS_REFUSED IS_WRITABLE
    JSON KIND KINDS LOWERED MODEL NAME REACTS READ READERS READ_AS REFUSALS RETIRES SCHEDULED SENDS SENDS_REFUSED SHAPES SOURCES TEXT
    VERSION WANTS_ENVELOPE WANTS_METADATA
}

#[derive(Debug, Serialize, Deserialize, EventSchema)]
struct Part {
    count: u8,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct Opened {
    #[event(added(since = 2, default = 1))]
    by: u8,
    part: Option<Part>,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Closed;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Shut;

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug, Serialize, Deserialize, Command)]
struct Close(String);

#[derive(Debug)]
struct Refused;

#[derive(Debug, Default, Clone, Serialize, Deserialize, Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened), snapshot(every = 2))]
struct Door;

#[handlers]
impl Door {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened { by: 1, part: None }
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, commands(Close), events(Closed), retired(Shut))]
struct Gate;

#[handlers]
impl Gate {
    #[execute]
    fn close(&self, _: Close) -> Result<Closed, Refused> {
        Ok(Closed)
    }

    #[apply]
    fn closed(&mut self, _: &Closed) {}

    #[upcast]
    fn shut(_: Shut) -> Closed {
        Closed
    }
}

#[derive(Default, Clone, Projection)]
#[projection(events(Opened, Closed), from(Door, Gate), partition_by = stream)]
struct View(u8);

#[handlers]
impl View {
    #[project]
    fn opened(&mut self, _: &Opened, _: &str) {
        self.0 += 1;
    }

    #[project]
    fn closed(&mut self, _: &Closed, _: &str) {}
}

#[derive(Reaction)]
#[reaction(events(Opened), from(Door), commands(Close))]
struct Closes;

#[handlers]
impl Closes {
    #[react]
    fn opened(&self, _: &Opened, key: &str, delivery: &Delivery<Self>) {
        let _ = delivery.execute(Close(key.to_owned()));
    }
}

#[derive(Debug, Serialize, Deserialize, Timeout)]
struct Late;

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(id = String, starts(Opened by stream), events(Closed by stream), from(Door, Gate), commands(Close), timeouts(Late))]
struct Ends(u8);

#[handlers]
impl Ends {
    #[apply]
    fn count(&mut self, _: &Closed) {
        self.0 += 1;
    }

    #[react]
    fn opened(&self, _: &Opened, id: &str) -> (Close, After<Late>) {
        (Close(id.to_owned()), After(Late, std::time::Duration::ZERO))
    }

    #[react]
    fn late(&self, _: &Late) -> Done {
        Done
    }

    #[refused]
    fn not_closed(&self, _: &Close, _: &Refused) {}
}

#[derive(Application)]
#[application(aggregates(Door, Gate), schedules(Close))]
struct House {
    #[projection]
    view: View,
    #[reaction]
    closes: Closes,
    #[process]
    ends: Ends,
}

fn main() -> Result<(), BoxError> {
    let house = House { view: View(0), closes: Closes, ends: Ends(0) }.start(&SqliteStore::in_memory()?)?;
    house.execute(Open("front".into()))?;
    Ok(())
}

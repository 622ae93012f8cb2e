//! A field is what its attribute says.

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

#[derive(Clone, Projection)]
#[projection(events(Opened), from(Door))]
struct Doors;

#[handlers]
impl Doors {
    #[project]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Clone, Reaction)]
#[reaction(events(Opened), from(Door))]
struct Alarm;

#[handlers]
impl Alarm {
    #[react]
    fn opened(&self, _: &Opened) {}
}

#[derive(Application)]
#[application(aggregates(Door))]
struct Text(#[projection] String);

#[derive(Application)]
#[application(aggregates(Door))]
struct AlarmAsView(#[projection] Alarm);

#[derive(Application)]
#[application(aggregates(Door))]
struct ViewAsAlarm(#[reaction] Doors);

#[derive(Application)]
#[application(aggregates(Door))]
struct Shared(#[reaction(workers = 2)] Alarm);

#[derive(Application)]
#[application(aggregates(Door))]
struct SharedView(#[projection(workers = 2)] Doors);

#[derive(Application)]
#[application(aggregates(Door))]
struct Inline(#[projection(inline)] Doors);

#[derive(Application)]
#[application(aggregates(Door))]
struct Apart {
    #[store]
    views: MemoryStore,
    #[reaction(store = views)]
    alarm: Alarm,
}

fn main() {
    let _ = Inline(Doors).start(&SqliteStore::in_memory().unwrap());
}
// errors: 7

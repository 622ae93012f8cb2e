//! What is asked of a running application is what it has.

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

#[derive(Projection)]
#[projection(events(Opened), from(Door))]
struct Doors;

#[handlers]
impl Doors {
    #[project]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Projection)]
#[projection(events(Opened), from(Door), into = Sqlite, init = "CREATE TABLE doors (id)")]
struct Tables;

#[handlers]
impl Tables {
    #[project]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Reaction)]
#[reaction(events(Opened), from(Door))]
struct Alarm;

#[handlers]
impl Alarm {
    #[react]
    fn opened(&self, _: &Opened) {}
}

#[derive(Debug, Command)]
struct Close(String);

#[derive(Application)]
#[application(aggregates(Door))]
struct House;

#[derive(Application)]
#[application(aggregates(Door))]
struct Kept {
    #[projection]
    tables: Tables,
}

#[derive(Application)]
#[application(aggregates(Door))]
struct Watched {
    #[reaction]
    alarm: Alarm,
}

fn main() {
    let house = House.start(&MemoryStore::new()).unwrap();
    // No aggregate takes it.
    let _ = house.execute(Close("a".into()));
    // One of another application does.
    let _ = house.execute(Ring("a".into()));
    let _ = house.repository::<Bell>();
    // No field is this view.
    let seen = ExecuteOptions::new().seen_by::<Doors>(std::time::Duration::MAX);
    let _ = house.execute_with(Open("a".into()), &seen);
    let _ = house.view::<Doors, _>(|_| ());
    // It is not `json`.
    let _ = house.execute_json("open", "{}");
    // A store in memory keeps no tables, and no progress.
    let _ = Kept { tables: Tables }.start(&MemoryStore::new());
    let _ = Watched { alarm: Alarm }.start(&MemoryStore::new());
    // A repository answers when the events are stored.
    let _ = house.repository::<Door>().execute_with(Open("a".into()), &seen);
}
// errors: 9

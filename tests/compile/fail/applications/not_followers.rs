//! A field of a wrong type is one error, and none at `start`.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Command)]
struct Open(String);

#[derive(Debug, Clone)]
struct Key;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened), services = Key)]
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

struct Config;

#[derive(Application)]
#[application(aggregates(Door), schedules(Open))]
struct Wrong {
    #[services = "Door"]
    key: Key,
    #[projection]
    number: u32,
    #[projection]
    boxed: Box<Doors>,
    #[projection]
    alarm: Alarm,
    #[reaction]
    doors: Doors,
    #[process]
    config: Config,
}

#[derive(Application)]
#[application(aggregates(Door))]
struct Shared {
    #[services(Door)]
    key: Key,
    #[reaction(workers = 2)]
    alarm: Alarm,
}

#[derive(Application)]
#[application(aggregates(Door))]
struct WithoutServices {
    #[reaction]
    alarm: Alarm,
}

fn main() {
    let store = SqliteStore::in_memory().unwrap();
    let wrong =
        Wrong { key: Key, number: 1, boxed: Box::new(Doors), alarm: Alarm, doors: Doors, config: Config };
    let wrong = wrong.start(&store).unwrap();
    let _ = wrong.schedule(Timestamp::now(), Open("a".into()), "key");
    let _ = wrong.execute(Open("a".into()));
    let _ = Shared { key: Key, alarm: Alarm }.start(&store);
    let _ = WithoutServices { alarm: Alarm }.start(&store);
}
// errors: 8

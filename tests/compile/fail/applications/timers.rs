// Timers send commands that the application lists, that one of its aggregates takes, and that can be kept.
use factum::prelude::*;
use factum::ExecuteOptions;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Command)]
struct Open(String);

#[derive(Debug, Command)]
struct Close(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Open, Close), events(Opened))]
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
}

/// A command that no aggregate takes.
#[derive(Debug, Serialize, Deserialize, Command)]
struct Paint(String);

/// Not a command.
#[derive(Debug, Serialize, Deserialize)]
struct Colour(String);

#[derive(Application)]
#[application(aggregates(Door), schedules(Open))]
struct House;

#[derive(Application)]
#[application(aggregates(Door))]
struct WithoutTimers;

#[derive(Application)]
#[application(aggregates(Door), schedules(Paint))]
struct NotTaken;

#[derive(Application)]
#[application(aggregates(Door), schedules(Close))]
struct NotKept;

#[derive(Application)]
#[application(aggregates(Door), schedules(Colour))]
struct NoCommand;

/// A store that keeps no timers.
type Other = std::sync::Arc<MemoryStore>;

fn main() {
    let now = Timestamp::now();
    let house = House.start(&MemoryStore::new()).unwrap();
    // It is not listed.
    let _ = house.schedule(now, Close("a".into()), "key");
    let with = ExecuteOptions::new().schedule(now, Close("a".into()), "key");
    let _ = house.execute_with(Open("a".into()), &with);
    // There are no timers.
    let house = WithoutTimers.start(&MemoryStore::new()).unwrap();
    let _ = house.cancel("key");
    let with = ExecuteOptions::new().cancel("key");
    let _ = house.execute_with(Open("a".into()), &with);
    // A repository has none either.
    let _ = house.repository::<Door>().execute_with(Open("a".into()), &with);
    // Nor has each store.
    let _ = House.start(&Other::default());
}
// errors: 9

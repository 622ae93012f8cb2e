//! Commands in the list of events, and events in the list of commands: one error for each, and none wherever they are used.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Opened), events(Open))]
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

fn main() {
    let doors = MemoryStore::new().repository::<Door>();
    let _ = doors.execute(Open("a".into()));
}
// errors: 2

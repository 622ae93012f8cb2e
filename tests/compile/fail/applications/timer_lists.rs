// The list of what timers send has slips.
use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Command)]
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

#[derive(Application)]
#[application(aggregates(Door), schedules())]
struct Empty;

#[derive(Application)]
#[application(aggregates(Door), schedules(Open, Open))]
struct Twice;

#[derive(Application)]
#[application(aggregates(Door), schedule(Open))]
struct Misspelled;

fn main() {}
// errors: 3

//! Names of aggregates and followers are unique in an application, as their streams and progress are stored under them.

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
#[aggregate(id = String, commands(Ring), events(Rung), name = "door")]
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

#[derive(Reaction)]
#[reaction(name = "doors", events(Opened), from(Door))]
struct Alarm;

#[handlers]
impl Alarm {
    #[react]
    fn opened(&self, _: &Opened) {}
}

#[derive(Application)]
#[application(aggregates(Door, Bell))]
struct House;

#[derive(Application)]
#[application(aggregates(Door))]
struct Garage {
    #[projection]
    doors: Doors,
    #[reaction]
    alarm: Alarm,
}

fn main() {}
// errors: 2

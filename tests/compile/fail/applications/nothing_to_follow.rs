//! An application has what its followers follow.

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

/// By name: only the application sees the aggregate.
#[derive(Reaction)]
#[reaction(events(Opened), from("bell"))]
struct Alarm;

#[handlers]
impl Alarm {
    #[react]
    fn opened(&self, _: &Opened) {}
}

#[derive(Application)]
#[application(aggregates(Bell))]
struct House {
    #[projection]
    doors: Doors,
}

#[derive(Application)]
#[application(aggregates(Door, Bell))]
struct Garage {
    #[reaction]
    alarm: Alarm,
}

fn main() {}
// errors: 2

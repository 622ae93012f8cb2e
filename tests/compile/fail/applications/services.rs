//! An aggregate has the services that it decides with.

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

struct Clock;

#[derive(Debug, Command)]
struct Wind(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, services = Clock, commands(Wind), events(Rung))]
struct Watch;

#[handlers]
impl Watch {
    #[execute]
    fn wind(&self, _: Wind, _: &Clock) -> Rung {
        Rung
    }

    #[apply]
    fn rung(&mut self, _: &Rung) {}
}

#[derive(Application)]
#[application(aggregates(Door, Watch))]
struct Without;

#[derive(Application)]
#[application(aggregates(Door, Watch))]
struct Wrong {
    #[services(Watch)]
    clock: String,
}

fn main() {}
// errors: 2

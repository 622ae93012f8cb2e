// A reaction gives the commands that it lists, and an aggregate of its application takes each.
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

/// A command that no aggregate takes.
#[derive(Debug, Command)]
struct Paint(String);

#[derive(Reaction)]
#[reaction(events(Opened), from(Door), commands(Ring))]
struct Porter;

#[handlers]
impl Porter {
    #[react]
    fn opened(&self, _: &Opened, key: &str, delivery: &Delivery<Self>) {
        let _ = delivery.execute(Ring(key.to_owned()));
        // It is not listed.
        let _ = delivery.execute(Open(key.to_owned()));
    }
}

#[derive(Reaction)]
#[reaction(events(Opened), from(Door), commands(Ring))]
struct Guard;

#[handlers]
impl Guard {
    #[react]
    fn opened(&self, _: &Opened, key: &str, delivery: &Delivery) {
        // The delivery does not say whose it is.
        let _ = delivery.execute(Ring(key.to_owned()));
    }
}

#[derive(Reaction)]
#[reaction(events(Opened), from(Door), commands(Paint))]
struct Painter;

#[handlers]
impl Painter {
    /// The delivery of another reaction.
    #[react]
    fn opened(&self, _: &Opened, _: &Delivery<Porter>) {}
}

#[derive(Application)]
#[application(aggregates(Door))]
struct WithoutBell {
    #[reaction]
    porter: Porter,
}

fn main() {}
// errors: 5

//! Markers on methods that are meant for another one.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Closed;

#[derive(Debug, Serialize, Deserialize, Command)]
struct Open(String);

#[derive(Debug)]
struct Jammed;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Jammed, commands(Open), events(Opened, Closed))]
struct Door;

#[handlers]
impl Door {
    #[execute]
    fn open(&self, _: Open) -> Result<Opened, Jammed> {
        Ok(Opened)
    }

    #[project]
    fn opened(&mut self, _: &Opened) {}

    #[execute]
    fn closed(&mut self, _: &Closed) {}
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Rung;

#[derive(Debug, Command)]
struct Ring(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Ring), events(Rung, Closed))]
struct Bell {
    times: u32,
}

#[handlers]
impl Bell {
    #[apply]
    fn ring(&self, _: Ring) -> Rung {
        Rung
    }

    /// Its state is an argument.
    #[apply]
    fn rung(bell: &mut Bell, _: &Rung) {
        bell.times += 1;
    }

    /// It returns the new state.
    #[apply]
    fn closed(mut self, _: &Closed) -> Self {
        self.times = 0;
        self
    }
}

#[derive(Default, Projection)]
#[projection(events(Opened, Closed), from(Door))]
struct Openings {
    count: u32,
}

#[handlers]
impl Openings {
    #[apply]
    fn opened(&mut self, _: &Opened) {
        self.count += 1;
    }

    #[project]
    fn closed(&mut self, _: &Closed) {}
}

#[derive(Reaction)]
#[reaction(events(Opened), from(Door))]
struct Mails;

#[handlers]
impl Mails {
    #[project]
    async fn opened(&self, _: &Opened) {}
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(id = String, starts(Opened by stream), from(Door), commands(Open))]
struct Porter;

#[handlers]
impl Porter {
    #[react]
    fn opened(&self, _: &Opened) -> Done {
        Done
    }

    #[execute]
    fn not_opened(&self, _: &Open, _: &Jammed) {}
}

fn main() {}

// errors: 8

use factum::follow::Reaction;
use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Default, Projection)]
#[projection(events(Opened))]
struct Missing;

#[handlers]
impl Missing {
    #[project]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Debug, Default, Reaction)]
#[reaction(events(Opened))]
struct MissingToo;

#[handlers]
impl MissingToo {
    #[react]
    fn opened(&self, _: &Opened) {}
}

#[derive(Debug, Default, Projection)]
#[projection(events(Opened), from())]
struct Empty;

#[handlers]
impl Empty {
    #[project]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Debug, Default, Projection)]
#[projection(events(Opened), from("account", "account"))]
struct Twice;

#[handlers]
impl Twice {
    #[project]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Debug, Default, Projection)]
#[projection(events(Opened), from("my account"))]
struct Spaced;

#[handlers]
impl Spaced {
    #[project]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Debug, Default, Projection)]
#[projection(events(Opened), form(Account))]
struct Misspelled;

#[handlers]
impl Misspelled {
    #[project]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Debug, Default, Projection)]
#[projection(events(Opened), from(Opened))]
struct NoAggregate;

#[handlers]
impl NoAggregate {
    #[project]
    fn opened(&mut self, _: &Opened) {}
}

fn main() {}

// errors: 7

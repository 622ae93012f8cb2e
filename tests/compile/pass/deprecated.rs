//! Types that are about to go.

#![deny(warnings)]
#![allow(dead_code)]

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[deprecated]
#[derive(Debug, AggregateId)]
struct Id(u64);

#[deprecated = "use `Begin`"]
#[derive(Debug, Clone, Command)]
struct Open {
    #[command(id)]
    id: u64,
}

#[deprecated]
#[derive(Debug, Serialize, Deserialize, EventSchema)]
struct Part {
    text: String,
}

#[deprecated]
#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2, previous = BeforeOpened)]
struct Opened {
    part: String,
}

#[deprecated]
#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "opened")]
struct BeforeOpened;

#[expect(deprecated)]
impl From<BeforeOpened> for Opened {
    fn from(_: BeforeOpened) -> Self {
        Self { part: String::new() }
    }
}

#[deprecated]
#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2, removed(since = 2, name = "gone", ty = u8))]
struct Closed {
    #[event(changed(since = 2, from = u8, with = u16::from))]
    #[deprecated]
    count: u16,
}

#[deprecated]
#[derive(Debug, Serialize, Deserialize, Event)]
struct Retired;

#[deprecated]
#[derive(Debug, Default, Clone, Serialize, Deserialize, Aggregate)]
#[aggregate(id = u64, commands(Open), events(Opened, Closed), retired(Retired), snapshot(every = 1), command(derive(Clone)))]
struct Account;

#[allow(deprecated)]
#[handlers]
impl Account {
    #[execute]
    fn open(&self, _: Open) -> Option<Opened> {
        None
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}

    #[apply]
    fn closed(&mut self, _: &Closed) {}
}

/// An aggregate that goes on, with an event that does not.
#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = u64, commands(Begin), events(Opened))]
struct Living;

#[derive(Debug, Command)]
struct Begin(u64);

#[handlers]
impl Living {
    #[execute]
    #[allow(deprecated)]
    fn begin(&self, _: Begin) -> Option<Opened> {
        None
    }

    #[apply]
    #[allow(deprecated)]
    fn opened(&mut self, _: &Opened) {}
}

#[deprecated]
#[derive(Debug, Default, Projection)]
#[projection(events(Opened), from(Living), partition_by = stream)]
struct View;

#[deprecated]
#[derive(Debug, Default, Reaction)]
#[reaction(events(Opened), from("living"))]
struct Mail;

#[handlers]
#[expect(deprecated)]
impl View {
    #[project]
    fn opened(&mut self, _: &Opened) {}
}

#[handlers]
impl Mail {
    #![allow(deprecated)]

    #[react]
    fn opened(&mut self, _: &Opened) {}
}

/// A view that goes on.
#[derive(Debug, Default, Projection)]
#[projection(events(Opened), from(Living))]
#[allow(deprecated)]
struct Views;

#[handlers]
impl Views {
    #[project]
    #[allow(deprecated)]
    fn opened(&mut self, _: &Opened) {}
}

fn main() {}

//! Slips in the attributes of an application's fields. Each is one error.

use std::time::Duration;

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug, Clone)]
struct Clock;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, services = Clock, commands(Open), events(Opened))]
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

macro_rules! followers {
    ($($reaction:ident)*) => {
        $(
            #[derive(Reaction)]
            #[reaction(events(Opened), from(Door))]
            struct $reaction;

            #[handlers]
            impl $reaction {
                #[react]
                fn opened(&self, _: &Opened) {}
            }
        )*
    };
}

followers!(Mails Letters Calls Parcels);

#[derive(Default, Projection)]
#[projection(events(Opened), from(Door))]
struct Openings;

#[handlers]
impl Openings {
    #[project]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Application)]
#[application(aggregates(Door))]
struct House {
    #[service(Door)]
    clock: Clock,
    #[reaction(retry = 5, delay = Duration::ZERO)]
    mails: Mails,
    #[reaction(retry(times = 5), delay = Duration::ZERO)]
    letters: Letters,
    #[reaction(retry(5, delay = Duration::ZERO))]
    calls: Calls,
    #[reaction(workers(2))]
    parcels: Parcels,
    #[projection(into = Sqlite)]
    openings: Openings,
}

/// What has no list of aggregates, may have any services.
#[derive(Application)]
struct Empty {
    #[services(Door)]
    clock: Clock,
}

#[derive(Application)]
#[application(aggregates(Door), schedules(Opened))]
struct Timed {
    #[services(Door)]
    clock: Clock,
}

fn main() {}

// errors: 8

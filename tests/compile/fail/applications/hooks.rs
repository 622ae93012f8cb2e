//! A hook is a type with `Hook`, alone in its field.

use factum::application::Hook;
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

struct Audit;

impl Hook for Audit {}

struct NotAHook;

#[derive(Application)]
#[application(aggregates(Door))]
struct Doors {
    #[hook]
    audit: NotAHook,
}

#[derive(Application)]
#[application(aggregates(Door))]
struct WithOptions {
    #[hook(first)]
    audit: Audit,
}

#[derive(Application)]
#[application(aggregates(Door))]
struct Twice {
    #[hook]
    #[store]
    audit: Audit,
}

fn main() {}

// errors: 3

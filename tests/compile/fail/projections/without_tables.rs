//! Tables of a view in memory, and a writer that is no object.

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

#[derive(Default, Projection)]
#[projection(events(Opened), from(Door), init = "CREATE TABLE openings (door TEXT)")]
struct InMemory;

#[handlers]
impl InMemory {
    #[project]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Projection)]
#[projection(events(Opened), from(Door), into = Sql)]
struct InTables;

#[handlers]
impl InTables {
    #[project]
    fn opened(&mut self, _: &Opened, _: &mut impl SqlTransaction) {}
}

fn main() {}

// errors: 2

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug)]
struct Jammed;

#[derive(Debug, Default, Clone, Aggregate)]
struct Door;

#[handlers]
impl Door {
    #[execute]
    fn open(&self, _: Open) -> Result<Opened, Jammed> {
        Err(Jammed)
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

fn main() {}

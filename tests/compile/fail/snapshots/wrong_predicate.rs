//! `when` is a question to the state.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
pub struct Opened;

#[derive(Debug, Command)]
pub struct Open(String);

#[derive(Debug, Default, Clone, Serialize, Deserialize, Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened), snapshot(when = Self::is_open))]
pub struct Account {
    open: bool,
}

#[handlers]
impl Account {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

impl Account {
    fn is_open(&self, _: u32) -> bool {
        self.open
    }
}

fn main() {}

// errors: 1

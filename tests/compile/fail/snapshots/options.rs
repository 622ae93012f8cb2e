//! What `snapshot(..)` takes.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
pub struct Opened;

#[derive(Debug, Command)]
pub struct Open(String);

#[derive(Debug, Default, Clone, Serialize, Deserialize, Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened), snapshot(every = 0))]
pub struct Zero {
    open: bool,
}

#[handlers]
impl Zero {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened), snapshot(version = 2))]
pub struct Never {
    open: bool,
}

#[handlers]
impl Never {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened), snapshot())]
pub struct Empty {
    open: bool,
}

#[handlers]
impl Empty {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened), snapshot = 100)]
pub struct Assigned {
    open: bool,
}

#[handlers]
impl Assigned {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened), snapshot(evry = 100))]
pub struct Misspelled {
    open: bool,
}

#[handlers]
impl Misspelled {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened), snapshot(every = "100"))]
pub struct Text {
    open: bool,
}

#[handlers]
impl Text {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened), snapshot(every = 100, version = 0))]
pub struct NoVersion {
    open: bool,
}

#[handlers]
impl NoVersion {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened), snapshot(every = 100))]
pub struct Forgetful {
    #[serde(default, skip)]
    open: bool,
}

#[handlers]
impl Forgetful {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

fn main() {}

// errors: 8

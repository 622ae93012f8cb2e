//! The enum of all commands of an application is what its attributes and its commands say.

use factum::application::ApplicationCommand;
use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Deserialize, Command)]
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

#[allow(unused_imports)]
mod garden {
    pub(crate) use super::Door;
}

#[derive(Debug, Command)]
struct Close(String);

#[derive(Application)]
#[application(aggregates(Door), json)]
struct House;

#[derive(Application)]
#[application(aggregates(Door))]
struct Hut;

// Its variants have one name.
#[derive(Application)]
#[application(aggregates(Door, garden::Door))]
struct Both;

// `json` writes serde's impls.
#[derive(Application)]
#[application(aggregates(Door), json, command(derive(Clone, Serialize)))]
struct Twice;

fn main() {
    let house = House.start(&MemoryStore::new()).unwrap();
    // No aggregate takes it.
    let _ = HouseCommand::of(Close("a".into()));
    let _ = house.execute_any(HouseCommand::of(Open("a".into())));
    // A command does not derive `Serialize`.
    let _ = serde_json::to_string(&HouseCommand::of(Open("a".into())));
    // Without `json`, no command comes from outside.
    let _ = HutCommand::from_json("{}");
}
// errors: 5

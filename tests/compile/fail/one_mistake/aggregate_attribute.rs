use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug)]
struct Jammed;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregates(id = String, error = Jammed, commands(Open), events(Opened))]
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

#[derive(Application)]
#[application(aggregates(Door))]
struct House;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let house = House.start(&MemoryStore::new())?;
    let _ = house.execute(Open("front".into()));
    Ok(())
}

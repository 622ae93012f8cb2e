//! The dependency is renamed, and `factum` is another item.

extern crate factum as ledger;

#[allow(dead_code)]
mod factum {}

mod dependencies {
    pub extern crate factum as events;
}

use ledger::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(crate = ledger)]
struct Opened;

#[derive(Debug, Command)]
#[command(crate = ledger)]
struct Open(Id);

#[derive(Debug, AggregateId)]
#[aggregate_id(crate = ledger)]
struct Id(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(crate = ledger, id = Id, commands(Open), events(Opened))]
struct Account;

#[handlers(crate = ledger)]
impl Account {
    #[ledger::execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[::ledger::prelude::apply]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Default, Projection)]
#[projection(crate = ledger, events(Opened), from(Account))]
struct Count(u8);

#[handlers(crate = crate::dependencies::events)]
impl Count {
    #[crate::dependencies::events::project]
    fn opened(&mut self, _: &Opened) {
        self.0 += 1;
    }
}

fn main() {
    let store = MemoryStore::new();
    store.repository::<Account>().execute(Open(Id("a".into()))).unwrap();
    let mut count = MemoryProjection::new(&store, Count::default());
    count.catch_up().unwrap();
    assert_eq!(count.view().0, 1);
}

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened1;

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened), retired(Opened1))]
struct Account;

#[handlers]
impl Account {
    #[execute]
    async fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[apply]
    async fn opened(&mut self, _: &Opened) {}

    #[upcast]
    async fn opened_1(_: Opened1) -> Opened {
        Opened
    }
}

#[derive(Default, Projection)]
#[projection(events(Opened), from(Account))]
struct Count(u64);

#[handlers]
impl Count {
    #[project]
    async fn opened(&mut self, _: &Opened) {
        self.0 += 1;
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Command)]
struct Ship(String);

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("none left")]
struct NoneLeft;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = NoneLeft, commands(Ship), events(Opened))]
struct Parcel;

#[handlers]
impl Parcel {
    #[execute]
    fn ship(&self, _: Ship) -> Result<Opened, NoneLeft> {
        Err(NoneLeft)
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(id = String, starts(Opened by stream), from(Account), commands(Ship))]
struct Shipping;

#[handlers]
impl Shipping {
    #[react]
    fn opened(&self, _: &Opened, id: &str) -> Ship {
        Ship(id.to_owned())
    }

    #[refused]
    async fn not_shipped(&self, _: &Ship, _: &NoneLeft) {}
}

fn main() {}

// errors: 5

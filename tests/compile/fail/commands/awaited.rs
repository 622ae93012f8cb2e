//! A method that blocks is not awaited: the one to await ends with `_async`.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened))]
struct Account;

#[handlers]
impl Account {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

async fn open(accounts: Repository<Account, MemoryStore>) {
    accounts.execute(Open("alice".into())).await.unwrap();
}

fn main() {}

// errors: 1

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug, Clone, Serialize, Deserialize, Command)]
struct Welcome(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Open, Welcome), events(Opened))]
struct Account;

#[handlers]
impl Account {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[execute]
    fn welcome(&self, _: Welcome) {}

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(id = String, starts(Opened by stream), from(Account), commands(Welcome))]
struct Greeter;

#[handlers]
impl Greeter {
    #[react]
    async fn opened(&self, _: &Opened, id: &str) -> Welcome {
        Welcome(id.to_owned())
    }
}

fn main() {}

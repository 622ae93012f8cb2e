use factum::prelude::*;
use factum::testing::{of, project, react};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Closed;

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

#[derive(Debug, Default, PartialEq, Projection)]
#[projection(events(Opened), from(Account))]
struct Count(u64);

#[handlers]
impl Count {
    #[project]
    fn opened(&mut self, _: &Opened) {
        self.0 += 1;
    }
}

#[derive(Debug, Default, Reaction)]
#[reaction(events(Opened), from(Account))]
struct Mails;

#[handlers]
impl Mails {
    #[react]
    fn opened(&self, _: &Opened) {}
}

fn main() {
    project(Count::default(), Closed).then_view(&Count(0));
    project(Count::default(), (Opened, "opened")).then_view(&Count(1));
    project(Count::default(), of::<Account>("alice", Closed)).then_view(&Count(0));
    react(Mails, Closed).then(|_| 1, 1);
}

// errors: 4

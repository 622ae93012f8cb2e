//! Views and reactions of events whose structs, or stored names, are the same in two modules: they have no variants.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

mod a {
    use super::*;

    #[derive(Debug, Serialize, Deserialize, Event)]
    #[event(name = "account-opened")]
    pub struct Opened;

    #[derive(Debug, Serialize, Deserialize, Event)]
    pub struct Closed;

    #[derive(Debug, Command)]
    pub struct Open(String);

    #[derive(Debug, Default, Clone, Aggregate)]
    #[aggregate(name = "account", id = String, commands(Open), events(Opened, Closed))]
    pub struct Account;

    #[handlers]
    impl Account {
        #[execute]
        fn open(&self, _: Open) -> Opened {
            Opened
        }

        #[apply]
        fn opened(&mut self, _: &Opened) {}

        #[apply]
        fn closed(&mut self, _: &Closed) {}
    }
}

mod b {
    use super::*;

    #[derive(Debug, Serialize, Deserialize, Event)]
    #[event(name = "branch-opened")]
    pub struct Opened;

    #[derive(Debug, Serialize, Deserialize, Event)]
    pub struct Closed;

    #[derive(Debug, Command)]
    pub struct Open(String);

    #[derive(Debug, Default, Clone, Aggregate)]
    #[aggregate(name = "branch", id = String, commands(Open), events(Opened, Closed))]
    pub struct Branch;

    #[handlers]
    impl Branch {
        #[execute]
        fn open(&self, _: Open) -> Opened {
            Opened
        }

        #[apply]
        fn opened(&mut self, _: &Opened) {}

        #[apply]
        fn closed(&mut self, _: &Closed) {}
    }
}

#[derive(Debug, Default, Projection)]
#[projection(events(a::Opened, b::Opened), from("account", "branch"))]
struct ByName(u64);

#[handlers]
impl ByName {
    #[project]
    fn account(&mut self, _: &a::Opened) {
        self.0 += 1;
    }

    #[project]
    fn branch(&mut self, _: &b::Opened) {
        self.0 += 1;
    }
}

#[derive(Debug, Default, Projection)]
#[projection(events(a::Opened, b::Opened, a::Closed, b::Closed), from(a::Account, b::Branch))]
struct ByType(u64);

#[handlers]
impl ByType {
    #[project]
    fn account(&mut self, _: &a::Opened) {
        self.0 += 1;
    }

    #[project]
    fn branch(&mut self, _: &b::Opened) {
        self.0 += 1;
    }

    #[project]
    fn account_closed(&mut self, _: &a::Closed) {}

    #[project]
    fn branch_closed(&mut self, _: &b::Closed) {}
}

#[derive(Reaction)]
#[reaction(events(a::Opened, b::Opened), from(a::Account, b::Branch))]
struct Mailer;

#[handlers]
impl Mailer {
    #[react]
    fn account(&self, _: &a::Opened) {}

    #[react]
    fn branch(&self, _: &b::Opened) {}
}

fn main() {
    drop((ByName::default(), ByType::default(), Mailer));
}

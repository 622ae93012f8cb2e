use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug, Command)]
struct Reopen(String);

#[derive(Debug, Command)]
struct OpenAll(String);

#[derive(Debug, PartialEq)]
struct Refusal;

// An alias, which a macro can't look into. That its error is not the aggregate's is one mistake.
type Result<T> = std::result::Result<T, Refusal>;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Open, Reopen, OpenAll), events(Opened))]
struct Account;

#[handlers]
impl Account {
    #[execute]
    fn open(&self, _: Open) -> Result<Opened> {
        Ok(Opened)
    }

    #[execute]
    fn reopen(&self, _: Reopen) -> Result<Option<u8>> {
        Err(Refusal)
    }

    #[execute]
    fn all(&self, _: OpenAll) -> impl Iterator<Item = Opened> {
        std::iter::once(Opened)
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Debug, Projection)]
#[projection(events(Opened), from(Account))]
struct Owners;

#[handlers]
impl Owners {
    #[project]
    fn opened(&mut self, _: &Opened) -> impl Iterator<Item = Opened> {
        std::iter::empty()
    }
}

fn main() {}

// errors: 4

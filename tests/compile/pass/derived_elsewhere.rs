//! Types whose derives a macro that reads the source file does not find beside them, and others of their names.

#![deny(warnings)]
#![allow(dead_code)]

use factum::prelude::*;
use serde::{Deserialize, Serialize};

// struct Renamed; enum Account {}
const TEXT: &str = "struct Opened; #[derive(Debug)] struct Account;";

macro_rules! events {
    ($(struct $name:ident;)*) => {$(
        #[derive(Debug, Serialize, Deserialize, Event)]
        struct $name;
    )*};
}

events! {
    struct Opened;
}

mod renamed {
    pub(super) use factum::follow::Projection as View;
    pub(super) use factum::{Aggregate as Root, Event as Fact};
}

use renamed::{Fact, Root, View};

#[derive(Debug, Serialize, Deserialize, Fact)]
struct Renamed;

#[derive(Debug)]
#[cfg_attr(all(), derive(Serialize, Deserialize, Event))]
struct Conditional;

#[derive(Event)]
// }; some { text
#[doc = "};"]
#[derive(Debug, Serialize, Deserialize)]
struct Apart;

#[derive(Debug)]
struct ByHand;

impl Event for ByHand {
    const NAME: &'static str = "by-hand";
    const VERSION: u32 = 1;

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), factum::EncodeError> {
        out.extend(b"null");
        Ok(())
    }

    fn decode(_: u32, _: &str) -> Result<Self, factum::DecodeError> {
        Ok(Self)
    }
}

#[derive(Debug)]
struct FromMacro;

macro_rules! by_macro {
    ($name:ident) => {
        impl Event for $name {
            const NAME: &'static str = "from-macro";
            const VERSION: u32 = 1;

            fn encode(&self, out: &mut Vec<u8>) -> Result<(), factum::EncodeError> {
                out.extend(b"null");
                Ok(())
            }

            fn decode(_: u32, _: &str) -> Result<Self, factum::DecodeError> {
                Ok(Self)
            }
        }
    };
}

by_macro!(FromMacro);

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug, Default, Clone, Root)]
#[aggregate(id = String, commands(Open), events(Opened, Renamed, Conditional, Apart, ByHand, FromMacro))]
struct Account;

#[handlers]
impl Account {
    #[execute]
    fn open(&self, _: Open) -> (Opened, Renamed, Conditional, Apart, ByHand, FromMacro) {
        (Opened, Renamed, Conditional, Apart, ByHand, FromMacro)
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}

    #[apply]
    fn renamed(&mut self, _: &Renamed) {}

    #[apply]
    fn conditional(&mut self, _: &Conditional) {}

    #[apply]
    fn apart(&mut self, _: &Apart) {}
}

#[handlers]
impl Account {
    #[apply]
    fn by_hand(&mut self, _: &ByHand) {}

    #[apply]
    fn from_macro(&mut self, _: &FromMacro) {}
}

#[derive(View)]
#[projection(events(Opened), from(Account))]
struct Doors;

#[handlers]
impl Doors {
    #[project]
    fn opened(&self, _: &Opened) {}
}

#[derive(Clone, Reaction)]
#[reaction(events(Opened), from(Account))]
#[cfg_attr(all(), reaction(partition_by = stream))]
struct Mails;

#[handlers]
impl Mails {
    #[react]
    fn opened(&self, _: &Opened) {}
}

type Views = Doors;

#[derive(Application)]
#[application(aggregates(Account))]
struct Bank {
    #[projection]
    doors: Views,
    #[reaction(workers = 2)]
    mails: Mails,
}

/// Types of these names that are no events, aggregates or followers.
mod rows {
    #[derive(Debug)]
    pub(crate) struct Opened;
    pub(crate) struct Account;
    pub(crate) struct Doors;

    impl Account {
        pub(crate) fn rows(&self) -> (Opened, Doors) {
            (Opened, Doors)
        }
    }
}

fn main() {
    let _ = rows::Account.rows();
    struct Mails;
    let _ = (TEXT, Mails);
    let store = SqliteStore::in_memory().unwrap();
    let bank = Bank { doors: Doors, mails: crate::Mails }.start(&store).unwrap();
    bank.execute(Open("a".into())).unwrap();
}

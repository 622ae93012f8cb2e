//! Slips in the attributes of commands, ids, views, reactions and blocks of handlers. Each is one error.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened))]
struct Account;

#[handlers(crate: factum)]
impl Account {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}
}

#[derive(Debug, Command)]
#[command(id)]
struct OnTheStruct {
    account: String,
    owner: String,
}

#[derive(Debug, Command)]
struct Text {
    #[command("id")]
    account: String,
    owner: String,
}

#[derive(Debug, Command)]
#[command(singelton)]
struct Misspelled {
    owner: String,
}

#[derive(Debug, Command)]
struct OnAField {
    #[command(singleton)]
    owner: String,
    other: String,
}

#[derive(Debug, Clone, AggregateId)]
#[aggregate_id(crate => factum)]
struct AccountId(String);

#[derive(EventSchema)]
#[event_schema(crate factum)]
struct Side {
    left: bool,
}

macro_rules! handlers_of {
    ($marker:ident: $($follower:ident)*) => {$(
        #[handlers]
        impl $follower {
            #[$marker]
            fn opened(&mut self, _: &Opened) {}
        }
    )*};
}

#[derive(Debug, Default, Projection)]
#[projection(from[Account], events(Opened))]
struct Brackets;

#[derive(Debug, Default, Projection)]
#[projection(from = Account, events(Opened))]
struct Assigned;

#[derive(Debug, Default, Projection)]
#[projection(from(Account) events(Opened))]
struct NoComma;

#[derive(Debug, Default, Projection)]
#[projection(Opened)]
struct NoKey;

#[derive(Debug, Default, Projection)]
#[projection(from(Account), events(AccountEvent))]
struct Generated;

#[derive(Debug, Default, Projection)]
#[projection(from(Account), events(AccountEvent::Opened))]
struct Variant;

#[derive(Debug, Default, Projection)]
#[projection(from(Account), events(Box<Opened>))]
struct Boxed;

#[derive(Debug, Default, Projection)]
#[projection(from(crate::), events(Opened))]
struct HalfAPath;

#[derive(Debug, Default, Projection)]
#[projection(from(Account), events(Opened), version: 2)]
struct Colon;

handlers_of!(project: Brackets Assigned NoComma NoKey Generated Variant Boxed HalfAPath Colon);

#[derive(Debug, Default, Reaction)]
#[reaction(from(Account), events { Opened })]
struct Braces;

#[derive(Debug, Default, Reaction)]
#[reaction(frm(Account); events(Opened))]
struct Semicolon;

#[derive(Debug, Default, Reaction)]
#[reaction(from(Account, /** The book. */), events(Opened))]
struct Comment;

handlers_of!(react: Braces Semicolon Comment);

fn main() {}

// errors: 20

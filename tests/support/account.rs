//! An account: the aggregate of most tests.

use factum::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, AggregateId)]
pub(crate) struct AccountId(pub(crate) String);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
pub(crate) struct Opened {
    pub(crate) owner: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(aliases("paid-in"))]
pub(crate) struct Deposited {
    pub(crate) cents: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
pub(crate) struct Withdrawn {
    pub(crate) cents: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
pub(crate) struct Closed;

#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub(crate) struct Open {
    #[command(id)]
    pub(crate) account: AccountId,
    pub(crate) owner: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub(crate) struct Deposit {
    #[command(id)]
    pub(crate) account: AccountId,
    pub(crate) cents: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub(crate) struct Withdraw {
    #[command(id)]
    pub(crate) account: AccountId,
    pub(crate) cents: i64,
}

/// Withdraws the balance, then closes: two events, or one if the balance is zero.
#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub(crate) struct Close(pub(crate) AccountId);

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Refused {
    #[error("not open")]
    NotOpen,
    #[error("open already")]
    OpenAlready,
    #[error("{missing} missing")]
    Overdrawn { missing: i64 },
    #[error("{0} is no amount")]
    NoAmount(i64),
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Aggregate)]
#[aggregate(
    id = AccountId,
    error = Refused,
    commands(Open, Deposit, Withdraw, Close),
    events(Opened, Deposited, Withdrawn, Closed),
    command(derive(Debug, Clone, Serialize, Deserialize)),
    event(derive(Clone, PartialEq)),
)]
pub(crate) struct Account {
    pub(crate) owner: Option<String>,
    pub(crate) cents: i64,
}

#[handlers]
impl Account {
    #[execute]
    fn open(&self, command: Open) -> Result<Option<Opened>, Refused> {
        match &self.owner {
            // Opening it again for the same owner changes nothing.
            Some(owner) if *owner == command.owner => Ok(None),
            Some(_) => Err(Refused::OpenAlready),
            None => Ok(Some(Opened { owner: command.owner })),
        }
    }

    #[execute]
    fn deposit(&self, command: Deposit) -> Result<Deposited, Refused> {
        self.check(command.cents)?;
        Ok(Deposited { cents: command.cents })
    }

    #[execute]
    fn withdraw(&self, command: Withdraw) -> Result<Withdrawn, Refused> {
        self.check(command.cents)?;
        match command.cents - self.cents {
            missing if missing > 0 => Err(Refused::Overdrawn { missing }),
            _ => Ok(Withdrawn { cents: command.cents }),
        }
    }

    #[execute]
    fn close(&self, _: Close) -> Result<(Option<Withdrawn>, Closed), Refused> {
        self.check(1)?;
        Ok(((self.cents > 0).then_some(Withdrawn { cents: self.cents }), Closed))
    }

    #[apply]
    fn opened(&mut self, event: &Opened) {
        self.owner = Some(event.owner.clone());
    }

    #[apply]
    fn deposited(&mut self, event: &Deposited) {
        self.cents += event.cents;
    }

    #[apply]
    fn withdrawn(&mut self, event: &Withdrawn) {
        self.cents -= event.cents;
    }

    #[apply]
    fn closed(&mut self, _: &Closed) {
        self.owner = None;
    }

    fn check(&self, cents: i64) -> Result<(), Refused> {
        if self.owner.is_none() {
            return Err(Refused::NotOpen);
        }
        if cents <= 0 { Err(Refused::NoAmount(cents)) } else { Ok(()) }
    }
}

pub(crate) fn id(name: &str) -> AccountId {
    AccountId(name.to_owned())
}

pub(crate) fn open(name: &str) -> Open {
    Open { account: id(name), owner: name.to_owned() }
}

pub(crate) fn deposit(name: &str, cents: i64) -> Deposit {
    Deposit { account: id(name), cents }
}

pub(crate) fn withdraw(name: &str, cents: i64) -> Withdraw {
    Withdraw { account: id(name), cents }
}

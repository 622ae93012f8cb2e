//! The events of most benchmarks: deposits into an account. Its state is small, so that the store is what is
//! measured.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
pub(crate) struct MoneyDeposited {
    pub(crate) cents: u64,
    pub(crate) reference: String,
}

#[derive(Debug, Clone, Command)]
pub(crate) struct Deposit {
    #[command(id)]
    pub(crate) account: String,
    pub(crate) cents: u64,
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, Aggregate)]
#[aggregate(name = "account", id = String, commands(Deposit), events(MoneyDeposited), snapshot(every = 100))]
pub(crate) struct Account {
    pub(crate) balance: u64,
    pub(crate) deposits: u64,
}

#[handlers]
impl Account {
    #[execute]
    fn deposit(&self, command: Deposit) -> MoneyDeposited {
        MoneyDeposited::new(command.cents)
    }

    #[apply]
    fn deposited(&mut self, event: &MoneyDeposited) {
        self.balance += event.cents;
        self.deposits += 1;
    }
}

impl MoneyDeposited {
    /// The reference is as long as a UUID's text.
    pub(crate) fn new(cents: u64) -> Self {
        Self { cents, reference: "0f8fad5b-d9cb-469f-a165-70867728950e".into() }
    }
}

/// Reads the streams of `Account` without snapshots: a load begins at the first event.
#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(name = "account", id = String, commands(Deposit), events(MoneyDeposited))]
pub(crate) struct Replayed {
    pub(crate) deposits: u64,
}

#[handlers]
impl Replayed {
    #[execute]
    fn deposit(&self, command: Deposit) -> MoneyDeposited {
        MoneyDeposited::new(command.cents)
    }

    #[apply]
    fn deposited(&mut self, _: &MoneyDeposited) {
        self.deposits += 1;
    }
}

//! The account and its events, equal in every arm.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
pub struct MoneyDeposited {
    pub amount: u64,
    pub currency: String,
    pub channel: String,
    pub reference: String,
}

#[derive(Debug, Clone, Command)]
pub struct Deposit {
    #[command(id)]
    pub account: String,
    pub amount: u64,
    pub reference: String,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Aggregate)]
#[aggregate(name = "bank-account", id = String, commands(Deposit), events(MoneyDeposited), snapshot(every = 100))]
pub struct Account {
    pub balance: u64,
    pub deposits: u64,
}

#[handlers]
impl Account {
    #[execute]
    fn deposit(&self, command: Deposit) -> MoneyDeposited {
        MoneyDeposited::new(command.amount, command.reference)
    }

    #[apply]
    pub fn deposited(&mut self, event: &MoneyDeposited) {
        self.balance += event.amount;
        self.deposits += 1;
    }
}

/// Reads the streams of `Account` without snapshots: a load begins at the first event.
#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(name = "bank-account", id = String, commands(Deposit), events(MoneyDeposited))]
pub struct Replayed {
    pub balance: u64,
    pub deposits: u64,
}

#[handlers]
impl Replayed {
    #[execute]
    fn deposit(&self, command: Deposit) -> MoneyDeposited {
        MoneyDeposited::new(command.amount, command.reference)
    }

    #[apply]
    fn deposited(&mut self, event: &MoneyDeposited) {
        self.balance += event.amount;
        self.deposits += 1;
    }
}

impl MoneyDeposited {
    pub fn new(amount: u64, reference: String) -> Self {
        Self { amount, currency: "EUR".into(), channel: "branch".into(), reference }
    }
}

/// Ids that are ordered by time, as text.
pub fn ids(count: usize) -> Vec<String> {
    (0..count).map(|_| uuid::Uuid::now_v7().to_string()).collect()
}

/// As long as a UUID's text, which real payloads would hold.
pub fn reference() -> String {
    "0f8fad5b-d9cb-469f-a165-70867728950e".into()
}

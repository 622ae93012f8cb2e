use std::rc::Rc;

use factum::Recorded;
use factum::follow::Delivery;
use factum::prelude::*;
use factum::sqlite::rusqlite::Transaction;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Deposited;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Withdrawn;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Closed;

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug, Command)]
struct Deposit(String);

#[derive(Debug, Command)]
struct Withdraw(String);

#[derive(Debug, Command)]
struct Close(String);

#[derive(Debug, Default)]
struct Clock;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(
    id = String,
    services = Clock,
    commands(Open, Deposit, Withdraw, Close),
    events(Opened, Deposited, Withdrawn, Closed),
)]
struct Account;

#[handlers]
impl Account {
    #[execute]
    fn open(&self, _: Box<Open>) {}

    #[execute]
    fn deposit(&self, _: Deposit, _: &mut Clock) {}

    #[execute]
    fn withdraw(&self, _: Withdraw, _: &Envelope<'_>) {}

    #[execute]
    unsafe fn close(&self, _: Close, _: &'static Clock) {}

    #[apply]
    fn opened(&mut self, _: &Rc<Opened>) {}

    #[apply]
    fn deposited(&mut self, _: Option<&Deposited>) {}

    #[apply]
    fn withdrawn(&mut self, _: &&'static Withdrawn) {}

    #[apply]
    fn closed(&mut self, _: &Closed, _: &Envelope<'_>) {}
}

#[derive(Debug, Default, Projection)]
#[projection(events(Opened, Deposited, Withdrawn, Closed), from(Account), into = Sqlite)]
struct Totals;

#[handlers]
impl Totals {
    #[project]
    fn opened(&mut self, _: &Transaction<'_>, _: &Opened) {}

    #[project]
    fn deposited(&mut self, _: &Deposited, _: &Recorded<Deposited>) {}

    #[project]
    fn withdrawn(&mut self, _: &Withdrawn, _: &mut Envelope<'_>, _: Transaction<'_>) {}

    #[project]
    fn closed(&mut self, _: &dyn std::fmt::Debug, _: &String) {}
}

#[derive(Debug, Reaction)]
#[reaction(events(Opened, Deposited), from(Account))]
struct Mails;

#[handlers]
impl Mails {
    #[react]
    fn opened(&self, _: &Opened, _: Delivery) {}

    #[react]
    fn deposited(&self, _: Deposited, _: &mut u8) {}
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Open, Deposit), events(Opened, Deposited))]
struct Ledger;

#[handlers]
impl Ledger {
    #[execute]
    fn open(&self, _: (Open, Deposit)) {}

    #[execute]
    fn deposit(&self, _: u64) {}

    #[apply]
    fn opened(&mut self, _: &[Opened]) {}

    #[apply]
    fn deposited(&mut self, _: &str) {}
}

fn main() {}

// errors: 22

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Deposited {
    cents: u64,
}

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug, Command)]
struct Deposit {
    #[command(id)]
    account: String,
    cents: u64,
}

#[derive(Debug, Command)]
struct OnMutSelf(String);

#[derive(Debug, Command)]
struct ByReference(String);

#[derive(Debug, Command)]
struct Waits(String);

#[derive(Debug, Command)]
struct TooMuch(String);

#[derive(Debug, Command)]
struct Generic(String);

#[derive(Debug, Serialize, Deserialize, Event)]
struct OnSharedSelf;

#[derive(Debug, Serialize, Deserialize, Event)]
struct ByValue;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Fallible;

#[derive(Debug, Serialize, Deserialize, Event)]
struct WithoutSelf;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(
    id = String,
    commands(OnMutSelf, ByReference, Waits, TooMuch, Generic, Open),
    events(Opened, OnSharedSelf, ByValue, Fallible, WithoutSelf),
)]
struct Account;

#[handlers]
impl Account {
    #[execute]
    fn on_mut_self(&mut self, _: OnMutSelf) -> Opened {
        Opened
    }

    #[execute]
    fn by_reference(&self, _: &ByReference) -> Opened {
        Opened
    }

    #[execute]
    async fn waits(&self, _: Waits) -> Opened {
        Opened
    }

    #[execute]
    fn nothing_to_execute(&self) -> Opened {
        Opened
    }

    #[execute]
    fn too_much(&self, _: TooMuch, _: &(), _: u8) -> Opened {
        Opened
    }

    #[execute]
    fn generic<T>(&self, _: Generic) -> Opened {
        Opened
    }

    #[apply]
    fn opened(&mut self, _: &Opened) {}

    #[apply]
    fn on_shared_self(&self, _: &OnSharedSelf) {}

    #[apply]
    fn by_value(&mut self, _: ByValue) {}

    #[apply]
    fn fallible(&mut self, _: &Fallible) -> Result<(), String> {
        Ok(())
    }

    #[apply]
    fn without_self(_: &WithoutSelf) {}

    #[execute]
    #[apply]
    fn both(&self, _: Open) -> Opened {
        Opened
    }
}

fn main() {}

// errors: 11

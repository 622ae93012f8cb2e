use factum::prelude::*;
use factum::testing::given;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct Foreign;

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

fn main() {
    // The list is as long as it must be.
    #[rustfmt::skip]
    factum::testing::lock! {
        Account => (
            Opened, Opened, Opened, Opened, Opened, Opened, Opened, Opened, Opened,
            Opened, Opened, Opened, Opened, Opened, Opened, Opened, Foreign,
        ),
    }

    given::<Account>(Foreign).when(Open("a".into())).then("opened");
    #[rustfmt::skip]
    let _ = given::<Account>((
        Opened, Opened, Opened, Opened, Opened, Opened, Opened, Opened, Opened,
        Opened, Opened, Opened, Opened, Opened, Opened, Opened, Opened,
    ));
}

// errors: 4

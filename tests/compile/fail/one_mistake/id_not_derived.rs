//! One mistake in a program that uses all there is: one message.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct Opened {
    owner: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct Closed;

#[derive(Debug, Clone)]
struct AccountId(String);

#[derive(Debug, Clone, Command)]
struct Open {
    #[command(id)]
    account: AccountId,
    owner: String,
}

#[derive(Debug, Clone, Command)]
struct Close {
    #[command(id)]
    account: AccountId,
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = AccountId, commands(Open, Close), events(Opened, Closed))]
struct Account {
    owner: Option<String>,
}

#[handlers]
impl Account {
    #[execute]
    fn open(&self, command: Open) -> Opened {
        Opened { owner: command.owner }
    }

    #[execute]
    fn close(&self, _: Close) -> Closed {
        Closed
    }

    #[apply]
    fn opened(&mut self, event: &Opened) {
        self.owner = Some(event.owner.clone());
    }

    #[apply]
    fn closed(&mut self, _: &Closed) {
        self.owner = None;
    }
}

#[derive(Debug, Default, Projection)]
#[projection(events(Opened, Closed), from(Account))]
struct Owners {
    count: u64,
}

#[handlers]
impl Owners {
    #[project]
    fn opened(&mut self, _: &Opened) {
        self.count += 1;
    }

    #[project]
    fn closed(&mut self, _: &Closed) {
        self.count -= 1;
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = MemoryStore::new();
    let accounts = store.repository::<Account>();
    accounts.execute(Open { account: AccountId("a".into()), owner: "Alice".into() })?;
    accounts.execute(AccountCommand::Close(Close { account: AccountId("a".into()) }))?;
    for event in accounts.history(&AccountId("a".into()))? {
        match event?.event {
            AccountEvent::Opened(Opened { owner }) => println!("{owner}"),
            AccountEvent::Closed(closed) => println!("{closed:?}"),
        }
    }
    let mut owners = MemoryProjection::new(&store, Owners::default());
    owners.catch_up()?;
    Ok(())
}

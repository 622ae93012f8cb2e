//! Measures disintegrate on disintegrate-postgres: `peer-disintegrate <url> <callers> <milliseconds>`. Prints the decisions a
//! second.

#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use disintegrate::serde::json::Json;
use disintegrate::{Decision, Event, NoSnapshot, StateMutate, StateQuery};
use disintegrate_postgres::{PgEventStore, decision_maker};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tokio::task::JoinSet;
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq, Event, Serialize, Deserialize)]
#[stream(AccountEvent, [MoneyDeposited])]
enum DomainEvent {
    MoneyDeposited {
        #[id]
        account_id: String,
        amount: i64,
        reference: String,
    },
}

#[derive(Default, StateQuery, Clone, Serialize, Deserialize)]
#[state_query(AccountEvent)]
struct Account {
    #[id]
    account_id: String,
    balance: i64,
}

impl StateMutate for Account {
    fn mutate(&mut self, event: Self::Event) {
        let AccountEvent::MoneyDeposited { amount, .. } = event;
        self.balance += amount;
    }
}

struct Deposit {
    account_id: String,
    amount: i64,
}

impl Decision for Deposit {
    type Event = AccountEvent;
    type StateQuery = Account;
    type Error = Infallible;

    fn state_query(&self) -> Account {
        Account { account_id: self.account_id.clone(), balance: 0 }
    }

    fn process(&self, _: &Account) -> Result<Vec<AccountEvent>, Infallible> {
        let reference = "0f8fad5b-d9cb-469f-a165-70867728950e".to_owned();
        let account_id = self.account_id.clone();
        Ok(vec![AccountEvent::MoneyDeposited { account_id, amount: self.amount, reference }])
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [url, callers, time] = words.as_slice() else { return Err("<url> <callers> <milliseconds>".into()) };
    let (callers, time) = (callers.parse::<usize>()?, Duration::from_millis(time.parse()?));
    let store = PgEventStore::new(PgPool::connect(url).await?, Json::<DomainEvent>::default()).await?;
    let decisions = Arc::new(decision_maker(store, NoSnapshot));
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..callers {
        let decisions = Arc::clone(&decisions);
        running.spawn(async move {
            let (mut done, mut undone) = (0_u32, 0_u32);
            while begun.elapsed() < time {
                let account_id = Uuid::now_v7().to_string();
                // Its transactions are serializable: the server undoes some that run at one time.
                while decisions.make(Deposit { account_id: account_id.clone(), amount: 5 }).await.is_err() {
                    undone += 1;
                    if begun.elapsed() > time {
                        return (done, undone);
                    }
                }
                done += 1;
            }
            (done, undone)
        });
    }
    let (mut done, mut undone) = (0, 0);
    while let Some(ended) = running.join_next().await {
        let (more, failed) = ended?;
        (done, undone) = (done + more, undone + failed);
    }
    eprintln!("{undone} decisions were undone");
    println!("rate {:.1}", f64::from(done) / begun.elapsed().as_secs_f64());
    Ok(())
}

//! Measures eventcore on eventcore-postgres: `peer-eventcore-postgres <url> <callers> <milliseconds>`. Prints the commands a
//! second.

#![forbid(unsafe_code)]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eventcore::{
    Command, CommandError, CommandLogic, Event, NewEvents, RetryPolicy, StreamId, execute, require,
};
use eventcore_postgres::PostgresEventStore;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use uuid::Uuid;

#[derive(Debug, Clone, Serialize, Deserialize)]
enum AccountEvent {
    MoneyDeposited { account_id: StreamId, amount: u64, reference: String },
}

impl Event for AccountEvent {
    fn stream_id(&self) -> &StreamId {
        let Self::MoneyDeposited { account_id, .. } = self;
        account_id
    }

    fn event_type_name() -> &'static str {
        "AccountEvent"
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Account {
    balance: u64,
}

#[derive(Command)]
struct Deposit {
    #[stream]
    account_id: StreamId,
    amount: u64,
}

impl CommandLogic for Deposit {
    type Event = AccountEvent;
    type State = Account;

    fn apply(&self, state: Account, event: &AccountEvent) -> Account {
        let AccountEvent::MoneyDeposited { amount, .. } = event;
        Account { balance: state.balance + amount }
    }

    fn handle(&self, state: Account) -> Result<NewEvents<AccountEvent>, CommandError> {
        require!(state.balance.checked_add(self.amount).is_some(), "the account is full");
        let reference = "0f8fad5b-d9cb-469f-a165-70867728950e".to_owned();
        let account_id = self.account_id.clone();
        Ok(vec![AccountEvent::MoneyDeposited { account_id, amount: self.amount, reference }].into())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [url, callers, time] = words.as_slice() else { return Err("<url> <callers> <milliseconds>".into()) };
    let (callers, time) = (callers.parse::<usize>()?, Duration::from_millis(time.parse()?));
    let store = PostgresEventStore::new(url.as_str()).await?;
    store.migrate().await;
    let store = Arc::new(store);
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..callers {
        let store = Arc::clone(&store);
        running.spawn(async move {
            let mut done = 0_u32;
            while begun.elapsed() < time {
                let account_id = StreamId::try_new(Uuid::now_v7().to_string()).expect("a UUID is an id");
                let command = Deposit { account_id, amount: 5 };
                execute(&*store, command, RetryPolicy::new()).await.expect("the event is stored");
                done += 1;
            }
            done
        });
    }
    let mut done = 0;
    while let Some(ended) = running.join_next().await {
        done += ended?;
    }
    println!("rate {:.1}", f64::from(done) / begun.elapsed().as_secs_f64());
    Ok(())
}

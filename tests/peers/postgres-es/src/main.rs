//! Measures cqrs-es on postgres-es: `peer-postgres-es <url> <callers> <milliseconds>`. Prints the commands a second.

#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use postgres_es::{default_postgress_pool, postgres_cqrs};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use uuid::Uuid;

/// What postgres-es asks of its users: `db/init.sql` of its package.
const TABLE: &str = "CREATE TABLE events (
    aggregate_type text NOT NULL, aggregate_id text NOT NULL, sequence bigint CHECK (sequence >= 0) NOT NULL,
    event_type text NOT NULL, event_version text NOT NULL, payload json NOT NULL, metadata json NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, sequence))";

#[derive(Debug, Default, Serialize, Deserialize)]
struct Account {
    balance: u64,
}

struct Deposit {
    amount: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum AccountEvent {
    MoneyDeposited { amount: u64, reference: String },
}

impl DomainEvent for AccountEvent {
    fn event_type(&self) -> String {
        "MoneyDeposited".to_owned()
    }

    fn event_version(&self) -> String {
        "1.0".to_owned()
    }
}

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = Deposit;
    type Event = AccountEvent;
    type Error = Infallible;
    type Services = ();

    async fn handle(&mut self, command: Deposit, _: &(), sink: &EventSink<Self>) -> Result<(), Infallible> {
        let reference = "0f8fad5b-d9cb-469f-a165-70867728950e".to_owned();
        sink.write(AccountEvent::MoneyDeposited { amount: command.amount, reference }, self).await;
        Ok(())
    }

    fn apply(&mut self, event: AccountEvent) {
        let AccountEvent::MoneyDeposited { amount, .. } = event;
        self.balance += amount;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [url, callers, time] = words.as_slice() else { return Err("<url> <callers> <milliseconds>".into()) };
    let (callers, time) = (callers.parse::<usize>()?, Duration::from_millis(time.parse()?));
    let pool = default_postgress_pool(url).await;
    sqlx::raw_sql(TABLE).execute(&pool).await?;
    let cqrs = Arc::new(postgres_cqrs::<Account>(pool.clone(), vec![], ()));
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..callers {
        let cqrs = Arc::clone(&cqrs);
        running.spawn(async move {
            let mut done = 0_u32;
            while begun.elapsed() < time {
                let account = Uuid::now_v7().to_string();
                cqrs.execute(&account, Deposit { amount: 5 }).await.expect("the event is stored");
                done += 1;
            }
            done
        });
    }
    let mut done = 0;
    while let Some(ended) = running.join_next().await {
        done += ended?;
    }
    let rate = f64::from(done) / begun.elapsed().as_secs_f64();
    let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(&pool).await?;
    assert_eq!(stored, i64::from(done), "each command has stored its event");
    println!("rate {rate:.1}");
    Ok(())
}

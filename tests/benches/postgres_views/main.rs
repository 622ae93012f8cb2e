//! The catch-up of a view in PostgreSQL beside the same by hand, in one run.
//!
//! `cargo bench -p factum-tests --bench postgres_views [-- --quick]`
//!
//! A view has a row for each account. By hand, a program reads pages of events joined with the names of their streams, writes
//! each event into the view, and saves its position with them, in transactions of 1,000 events. One pair of arms waits for
//! the server after each event, the other one sends the statements of many events before it waits.

#[path = "../shared/median.rs"]
mod median;
#[path = "../shared/report.rs"]
mod report;
#[expect(dead_code, unused_imports, unused_macros, reason = "the tests crash their servers, too")]
#[path = "../../postgres/server.rs"]
mod server;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use factum::postgres::{Postgres, PostgresProjection, PostgresStore, PostgresTarget, ViewTransaction};
use factum::prelude::*;
use factum::store::{Append, NewEvent};
use factum::{Metadata, StreamName, Uuid};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, Error, NoTls, Statement};

use self::median::median;
use self::report::print_ratio;
use self::server::Server;

const LONG: Duration = Duration::from_mins(1);

/// How many accounts there are.
const STREAMS: usize = 200;

/// How many events one transaction by hand has.
const PAGE: i64 = 1_000;

const UPSERT: &str = "INSERT INTO balances VALUES ($1, $2)
    ON CONFLICT (account) DO UPDATE SET cents = balances.cents + excluded.cents";

#[derive(Debug, Serialize, Deserialize, Event)]
struct MoneyDeposited {
    cents: i64,
}

#[derive(Debug, Projection)]
#[projection(
    name = "one-by-one",
    events(MoneyDeposited),
    from("account"),
    into = Sql,
    init = "CREATE TABLE balances (account TEXT PRIMARY KEY, cents BIGINT NOT NULL)"
)]
struct OneByOne;

#[handlers]
impl OneByOne {
    #[project]
    fn deposited(
        &self,
        event: &MoneyDeposited,
        account: &str,
        sql: &mut dyn SqlTransaction,
    ) -> Result<(), SqlError> {
        sql.execute(UPSERT, &[&account, &event.cents]).map(drop)
    }
}

#[derive(Debug, Projection)]
#[projection(
    name = "queued",
    events(MoneyDeposited),
    from("account"),
    into = Postgres,
    init = "CREATE TABLE balances (account TEXT PRIMARY KEY, cents BIGINT NOT NULL)"
)]
struct Queued;

#[handlers]
impl Queued {
    #[project]
    fn deposited(
        &self,
        event: &MoneyDeposited,
        account: &str,
        view: &ViewTransaction<'_>,
    ) -> Result<(), SqlError> {
        view.queue(UPSERT, &[&account, &event.cents])
    }
}

#[derive(Debug, Clone, Copy)]
enum Arm {
    Sql,
    HandOneByOne,
    Queue,
    HandPipelined,
}

const ARMS: [Arm; 4] = [Arm::Sql, Arm::HandOneByOne, Arm::Queue, Arm::HandPipelined];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let (rounds, events) = if has("--bench") && !has("--quick") { (7, 20_000) } else { (1, 2_000) };
    let Some(server) = Server::start_with("max_wal_size = '4GB'\ncheckpoint_timeout = '15min'\n") else {
        return;
    };
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let schema = server.new_schema();
    let store = server.store(&schema);
    fill(&store, events);
    // Without statistics, the plan of the page by hand may read all events for each page.
    server.sql("VACUUM ANALYZE");
    let hand = Hand::new(&runtime, &server.url(), &schema);
    let mut rates = vec![Vec::new(); ARMS.len()];
    for round in 0..rounds {
        for arm in 0..ARMS.len() {
            // The arms begin at another one in each round.
            let arm = (arm + round) % ARMS.len();
            let begun = Instant::now();
            match ARMS[arm] {
                Arm::Sql => catch_up(PostgresProjection::from_scratch(&store, OneByOne), events),
                Arm::Queue => catch_up(PostgresProjection::from_scratch(&store, Queued), events),
                Arm::HandOneByOne => hand.catch_up(false),
                Arm::HandPipelined => hand.catch_up(true),
            }
            #[expect(clippy::cast_precision_loss, reason = "there are fewer events than a float has digits")]
            rates[arm].push(events as f64 / begun.elapsed().as_secs_f64());
        }
    }
    println!("\ncatch-up of {events} events: events a second, median of {rounds} rounds");
    for (arm, rates) in ARMS.iter().zip(&rates) {
        println!("{:<14}{:>10.0}", format!("{arm:?}"), median(rates.iter().copied()));
    }
    for (name, factum, hand) in [("postgres/view-of-hand", 0, 1), ("postgres/queued-view-of-hand", 2, 3)] {
        let ratio = median(rates[factum].iter().zip(&rates[hand]).map(|(factum, hand)| factum / hand));
        print_ratio(name, ratio, ">=", 0.8);
    }
}

fn fill(store: &PostgresStore, events: usize) {
    let metadata = Metadata::default();
    for stream in 0..STREAMS {
        let name = StreamName::new("account", &format!("account-{stream}"));
        let new: Vec<_> = (0..events / STREAMS)
            .map(|_| {
                NewEvent::new(
                    "money-deposited",
                    1,
                    r#"{"cents":47}"#,
                    Uuid::now_v7(),
                    Timestamp::now(),
                    &metadata,
                )
            })
            .collect();
        store.append(&[Append::new(&name, 0, &new)]).expect("the events are stored");
    }
}

fn catch_up<P: Projection<Target: PostgresTarget>>(
    view: Result<PostgresProjection<P>, factum::follow::ProjectionError>,
    events: usize,
) {
    let done = view.and_then(|mut view| view.catch_up()).expect("the view catches up");
    assert_eq!(done.events, events as u64);
}

/// A view by hand.
struct Hand<'r> {
    runtime: &'r Runtime,
    client: Client,
    page: Statement,
    upsert: Statement,
    save: Statement,
}

type Sent<'s> = Pin<Box<dyn Future<Output = Result<u64, Error>> + 's>>;

impl<'r> Hand<'r> {
    fn new(runtime: &'r Runtime, url: &str, schema: &str) -> Self {
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the server is there");
            tokio::spawn(connection);
            let tables = "CREATE SCHEMA hand; SET search_path TO hand;
                CREATE TABLE balances (account TEXT PRIMARY KEY, cents BIGINT NOT NULL);
                CREATE TABLE checkpoint (position BIGINT NOT NULL); INSERT INTO checkpoint VALUES (0)";
            client.batch_execute(tables).await.expect("the tables are made");
            let page = format!(
                "SELECT e.position, s.key, e.payload FROM {schema}.events AS e JOIN {schema}.streams AS s ON s.id = e.stream
                 WHERE e.position > $1 AND s.category = 'account' AND e.name = 'money-deposited'
                 ORDER BY e.position LIMIT {PAGE}"
            );
            let [page, upsert, save] = [&page, UPSERT, "UPDATE checkpoint SET position = $1"];
            Self {
                runtime,
                page: client.prepare(page).await.expect("the statement is right"),
                upsert: client.prepare(upsert).await.expect("the statement is right"),
                save: client.prepare(save).await.expect("the statement is right"),
                client,
            }
        })
    }

    fn catch_up(&self, is_pipelined: bool) {
        let work = async {
            self.client.batch_execute("TRUNCATE balances; UPDATE checkpoint SET position = 0").await?;
            let mut position = 0_i64;
            loop {
                self.client.batch_execute("BEGIN").await?;
                let rows = self.client.query(&self.page, &[&position]).await?;
                let Some(last) = rows.last() else { break };
                let events: Vec<(&str, i64)> = rows
                    .iter()
                    .map(|row| {
                        let event: MoneyDeposited = serde_json::from_str(row.get(2)).expect("it is an event");
                        (row.get(1), event.cents)
                    })
                    .collect();
                if is_pipelined {
                    let values: Vec<[&(dyn tokio_postgres::types::ToSql + Sync); 2]> =
                        events.iter().map(|(account, cents)| [account as _, cents as _]).collect();
                    let sent: Vec<Sent<'_>> = values
                        .iter()
                        .map(|values| Box::pin(self.client.execute(&self.upsert, values)) as Sent<'_>)
                        .collect();
                    all(sent).await?;
                } else {
                    for (account, cents) in &events {
                        self.client.execute(&self.upsert, &[account, cents]).await?;
                    }
                }
                position = last.get(0);
                self.client.execute(&self.save, &[&position]).await?;
                self.client.batch_execute("COMMIT").await?;
            }
            self.client.batch_execute("COMMIT").await
        };
        self.runtime.block_on(work).expect("the view catches up");
    }
}

/// Sends all statements, and then waits for their answers, which come in this order.
async fn all(mut sent: Vec<Sent<'_>>) -> Result<(), Error> {
    let mut first = Vec::with_capacity(sent.len());
    // The first poll of a statement sends it.
    poll_fn(|context| {
        first.extend(sent.iter_mut().map(|statement| statement.as_mut().poll(context)));
        Poll::Ready(())
    })
    .await;
    for (statement, first) in sent.into_iter().zip(first) {
        match first {
            Poll::Ready(answer) => answer?,
            Poll::Pending => statement.await?,
        };
    }
    Ok(())
}

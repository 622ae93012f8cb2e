//! Loads and scans beside the same by hand, on the same tables.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::pin;
use std::time::{Duration, Instant};

use factum::postgres::PostgresStore;
use factum::prelude::*;
use factum::store::Filter;
use factum::{CacheOptions, Position};
use futures_core::Stream as _;
use tokio::runtime::Runtime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use crate::account::{MoneyDeposited, Replayed};
use crate::fill::fill;
use crate::hand::connect;
use crate::median::median;
use crate::print_ratio;
use crate::server::Server;

/// How much is read.
pub(crate) struct Sizes {
    pub(crate) rounds: usize,
    pub(crate) time: Duration,
    /// How many events a long account has, and how many such accounts there are.
    pub(crate) long: u64,
    pub(crate) long_accounts: u64,
    pub(crate) short_accounts: u64,
}

const SHORT: u64 = 10;

pub(crate) fn compare(server: &Server, runtime: &Runtime, sizes: &Sizes) {
    let store = server.store("reads");
    // The events of long accounts are mixed, as those of accounts that live at one time are.
    let batch = (sizes.long / 100).max(1);
    for begin in (0..sizes.long).step_by(usize::try_from(batch).expect("it is small")) {
        for account in 0..sizes.long_accounts {
            fill(&store, &format!("long-{account}"), begin..begin + batch, batch).expect("the store is new");
        }
    }
    for account in 0..sizes.short_accounts {
        fill(&store, &format!("short-{account}"), 0..SHORT, SHORT).expect("the store is new");
    }
    server.sql("VACUUM ANALYZE");
    let hand = ByHand::new(runtime, &server.url());
    let accounts = store.repository::<Replayed>().with_cache(CacheOptions::aggregates(0));
    let load = |account: String| accounts.load(&account).expect("the account exists").state().deposits;

    let short = |number: u64| format!("short-{}", number % sizes.short_accounts);
    let ratio = ratio(sizes, |number| load(short(number)), |number| hand.load(&short(number)));
    print_ratio("postgres/load-10-of-prepared", ratio, ">=", 0.65);

    let long = |number: u64| format!("long-{}", number % sizes.long_accounts);
    let name = format!("postgres/load-{}-of-prepared", sizes.long);
    let ratio = self::ratio(sizes, |number| load(long(number)), |number| hand.stream(&long(number)));
    print_ratio(&name, ratio, ">=", 0.85);

    let ratio = self::ratio(sizes, |_| scan(&store), |_| hand.scan());
    print_ratio("postgres/scan-of-join-pages", ratio, ">=", 1.5);
}

/// How many times as many reads a second `ours` has than `theirs`, which read as many events each.
fn ratio(sizes: &Sizes, ours: impl Fn(u64) -> u64, theirs: impl Fn(u64) -> u64) -> f64 {
    assert_eq!(ours(0), theirs(0), "both read the same");
    let rate = |read: &dyn Fn(u64) -> u64| {
        let begun = Instant::now();
        let mut reads = 0_u32;
        while begun.elapsed() < sizes.time || reads == 0 {
            std::hint::black_box(read(reads.into()));
            reads += 1;
        }
        f64::from(reads) / begun.elapsed().as_secs_f64()
    };
    let rounds = (0..sizes.rounds).map(|round| {
        if round % 2 == 0 {
            let ours = rate(&ours);
            ours / rate(&theirs)
        } else {
            let theirs = rate(&theirs);
            rate(&ours) / theirs
        }
    });
    median(rounds.collect::<Vec<_>>())
}

/// Reads all events with their metadata. Returns how many there are.
fn scan(store: &PostgresStore) -> u64 {
    let mut events = 0;
    let read = store.read_all(Filter::new(), Position::START, usize::MAX, &mut |event| {
        std::hint::black_box((event.envelope.key, event.envelope.id, event.payload));
        events += 1;
        ControlFlow::Continue(())
    });
    read.expect("the server is there");
    events
}

/// Reads of one session, whose statements are prepared once.
struct ByHand<'r> {
    runtime: &'r Runtime,
    client: Client,
    load: Statement,
    page: Statement,
}

impl<'r> ByHand<'r> {
    fn new(runtime: &'r Runtime, url: &str) -> Self {
        let load = "SELECT version, name, event_version, payload FROM reads.events WHERE stream =
            (SELECT id FROM reads.streams WHERE category = $1 AND key = $2) ORDER BY version";
        let page = "SELECT e.position, s.category, s.key, e.version, e.name, e.event_version, e.id, e.recorded_at,
            e.correlation, e.causation, e.custom, e.payload FROM reads.events e JOIN reads.streams s ON s.id = e.stream
            WHERE e.position > $1 ORDER BY e.position LIMIT 500";
        runtime.block_on(async {
            let client = connect(url).await;
            let load = client.prepare(load).await.expect("the statement is right");
            let page = client.prepare(page).await.expect("the statement is right");
            Self { runtime, client, load, page }
        })
    }

    fn load(&self, account: &str) -> u64 {
        let rows = self.runtime.block_on(self.client.query(&self.load, &[&"account", &account]));
        rows.expect("the server is there").iter().map(apply).sum()
    }

    /// Loads without a list of all rows.
    fn stream(&self, account: &str) -> u64 {
        self.runtime.block_on(async {
            let values: [&(dyn ToSql + Sync); 2] = [&"account", &account];
            let mut rows =
                pin!(self.client.query_raw(&self.load, values).await.expect("the server is there"));
            let mut events = 0;
            while let Some(row) = poll_fn(|context| rows.as_mut().poll_next(context)).await {
                events += apply(&row.expect("the server is there"));
            }
            events
        })
    }

    fn scan(&self) -> u64 {
        let (mut events, mut after) = (0, 0_i64);
        loop {
            let page = self.runtime.block_on(self.client.query(&self.page, &[&after]));
            let page = page.expect("the server is there");
            let Some(last) = page.last() else { return events };
            after = last.get(0);
            events += page.len() as u64;
            for row in &page {
                std::hint::black_box((
                    row.get::<_, &str>(2),
                    row.get::<_, factum::Uuid>(6),
                    row.get::<_, &str>(11),
                ));
            }
        }
    }
}

fn apply(row: &Row) -> u64 {
    let event: MoneyDeposited = serde_json::from_str(row.get(3)).expect("it was written so");
    std::hint::black_box(&event);
    1
}

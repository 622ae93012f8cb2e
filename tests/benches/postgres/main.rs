//! Appends to PostgreSQL and reads beside the same by hand, and tasks beside threads, in one run.
//!
//! `cargo bench -p factum-tests --bench postgres [-- --quick] [-- appends | reads | tasks | peers] [callers=N] [rounds=N]`
//!
//! The peers are built first, which takes some minutes, and only run if they are asked for.
//!
//! Each append is one event for a new stream. The arms take turns, and the time that the disk takes for a flush is printed
//! beside each round: it decides the rates of few callers.

#[path = "../shared/account.rs"]
mod account;
#[path = "../shared/fill.rs"]
mod fill;
mod hand;
#[path = "../shared/median.rs"]
mod median;
mod peers;
mod reads;
#[path = "../shared/report.rs"]
mod report;
#[expect(dead_code, unused_imports, unused_macros, reason = "the tests crash their servers, too")]
#[path = "../../postgres/server.rs"]
mod server;
mod tasks;

use std::fs::File;
use std::io::{Seek, Write};
use std::thread;
use std::time::{Duration, Instant};

use factum::postgres::PostgresStore;
use factum::prelude::*;
use factum::store::{Append, NewEvent};
use factum::{Metadata, StreamName, Uuid};
use tokio::runtime::{Builder, Runtime};

use self::hand::{Group, PAYLOAD, Session};
use self::median::median;
use self::reads::Sizes;
use self::report::print_ratio;
use self::server::Server;

const LONG: Duration = Duration::from_mins(1);

const CALLERS: [usize; 3] = [1, 16, 64];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arm {
    Factum,
    Naive,
    Xmin,
    Group,
}

const ARMS: [Arm; 4] = [Arm::Factum, Arm::Naive, Arm::Xmin, Arm::Group];

/// What factum should reach of an arm, with 1, 16 and 64 callers.
const TARGETS: [(Arm, [f64; 3]); 3] =
    [(Arm::Naive, [1.2, 10.0, 25.0]), (Arm::Xmin, [0.75, 1.8, 3.0]), (Arm::Group, [0.8, 0.85, 0.85])];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let (rounds, time) = if has("--bench") && !has("--quick") { (7, 1_000) } else { (1, 50) };
    let number = |name| arguments.iter().find_map(|argument| argument.strip_prefix(name)?.parse().ok());
    let (rounds, callers) = (number("rounds=").unwrap_or(rounds), number("callers="));
    let Some(server) = Server::start_with("max_wal_size = '4GB'\ncheckpoint_timeout = '15min'\n") else {
        return;
    };
    server.sql(include_str!("hand.sql"));
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let one = ["appends", "reads", "tasks", "peers"].iter().any(|name| has(name));
    if !one || has("appends") {
        compare_appends(&server, &runtime, (rounds, time), callers);
    }
    if !one || has("reads") {
        let sizes = if rounds > 1 {
            Sizes {
                rounds,
                time: Duration::from_millis(time),
                long: 10_000,
                long_accounts: 10,
                short_accounts: 1_000,
            }
        } else {
            Sizes {
                rounds,
                time: Duration::from_millis(time),
                long: 1_000,
                long_accounts: 2,
                short_accounts: 20,
            }
        };
        reads::compare(&server, &runtime, &sizes);
    }
    if !one || has("tasks") {
        tasks::compare(&server, &runtime, rounds, Duration::from_millis(time));
    }
    if has("peers") {
        peers::compare(&server, &runtime, rounds, Duration::from_millis(time));
    }
}

/// Compares with all numbers of callers, or with the given one.
fn compare_appends(server: &Server, runtime: &Runtime, (rounds, time): (usize, u64), only: Option<usize>) {
    let store = &server.new_store();
    for (index, callers) in CALLERS.into_iter().enumerate() {
        if only.is_some_and(|only| only != callers) {
            continue;
        }
        let mut rates = vec![Vec::new(); ARMS.len()];
        let mut flushes = Vec::new();
        for round in 0..rounds {
            flushes.push(flush_micros());
            for arm in 0..ARMS.len() {
                // The arms begin at another one in each round.
                let arm = (arm + round) % ARMS.len();
                let work = Work { server, runtime, store };
                rates[arm].push(work.rate(ARMS[arm], callers, Duration::from_millis(time)));
            }
        }
        println!("\n{callers} callers: events a second, median of {rounds} rounds of {time} ms");
        for (arm, rates) in ARMS.iter().zip(&rates) {
            println!("{:<10}{:>10.0}", format!("{arm:?}"), median(rates.iter().copied()));
        }
        println!("a flush of the disk, in us, by round: {flushes:.0?}\n");
        for (arm, targets) in TARGETS {
            let of = &rates[ARMS.iter().position(|other| *other == arm).expect("it is one of the arms")];
            let ratio = median(rates[0].iter().zip(of).map(|(factum, other)| factum / other));
            let name = format!("postgres/{}-of-{callers}", format!("{arm:?}").to_lowercase());
            print_ratio(&name, ratio, ">=", targets[index]);
        }
    }
}

struct Work<'a> {
    server: &'a Server,
    runtime: &'a Runtime,
    store: &'a PostgresStore,
}

impl Work<'_> {
    /// The events a second of so many callers.
    fn rate(&self, arm: Arm, callers: usize, time: Duration) -> f64 {
        let url = self.server.url();
        match arm {
            Arm::Factum => measure(vec![(); callers], time, |(), key| append(self.store, key)),
            Arm::Naive => {
                let sessions = (0..callers).map(|_| Session::naive(self.runtime, &url)).collect();
                measure(sessions, time, Session::append_naive)
            }
            Arm::Xmin => {
                let sessions = (0..callers).map(|_| Session::xmin(self.runtime, &url)).collect();
                measure(sessions, time, Session::append_xmin)
            }
            Arm::Group => {
                let group = Group::start(&url);
                measure(vec![(); callers], time, |(), key| group.append(key.to_owned()))
            }
        }
    }
}

/// Each caller appends to one new stream after the other. The first tenth of the time does not count.
fn measure<C: Send>(callers: Vec<C>, time: Duration, append: impl Fn(&C, &str) + Sync) -> f64 {
    let begun = Instant::now() + time / 10;
    let until = begun + time;
    let done: u64 = thread::scope(|scope| {
        let threads: Vec<_> = callers
            .into_iter()
            .map(|caller| {
                let append = &append;
                scope.spawn(move || {
                    let mut done = 0;
                    loop {
                        append(&caller, &Uuid::now_v7().to_string());
                        let now = Instant::now();
                        if now > until {
                            return done;
                        }
                        done += u64::from(now > begun);
                    }
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no caller panics")).sum()
    });
    #[expect(clippy::cast_precision_loss, reason = "a second has fewer events than a float has digits")]
    let done = done as f64;
    done / time.as_secs_f64()
}

fn append(store: &PostgresStore, key: &str) {
    let (stream, metadata) = (StreamName::new("account", key), Metadata::default());
    let event = NewEvent::new("money-deposited", 1, PAYLOAD, Uuid::now_v7(), Timestamp::now(), &metadata);
    store.append(&[Append::new(&stream, 0, &[event])]).expect("the event is stored");
}

/// The median time of a flush, in microseconds.
fn flush_micros() -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let mut file = File::create(folder.path().join("flush")).expect("a file");
    let flush = |_: usize| {
        file.rewind().expect("a file");
        file.write_all(&[7; 8_192]).expect("space");
        let begun = Instant::now();
        file.sync_data().expect("a disk");
        begun.elapsed().as_secs_f64() * 1e6
    };
    median((0..21).map(flush).collect::<Vec<_>>())
}

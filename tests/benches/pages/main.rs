//! The size of the file's pages: work of the store with pages of 1,024 to 8,192 bytes, beside 4,096.
//!
//! `cargo bench -p factum-tests --bench pages [-- --quick]`

#[path = "../shared/median.rs"]
mod median;

use std::error::Error;
use std::ops::ControlFlow;
use std::time::Instant;

use factum::prelude::*;
use factum::sqlite::{Durability, SqliteOptions, SqliteStore};
use factum::store::{Append, ExpectedVersion, Filter, NewEvent};
use factum::{Metadata, Position, StreamName, Uuid};

use self::median::median;

const PAGES: [u32; 4] = [4_096, 1_024, 2_048, 8_192];
const PAYLOADS: [usize; 3] = [100, 1_024, 10_240];
const WORKS: [Work; 8] =
    [Work::Fresh, Work::One, Work::Group, Work::FreshFull, Work::Short, Work::Long, Work::Scan, Work::Bytes];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Work {
    /// A commit for each event, each in a new stream.
    Fresh,
    /// A commit for each event, all in one stream.
    One,
    /// 32 events a commit, in 32 old streams.
    Group,
    /// As `Fresh`, with `Durability::Full`.
    FreshFull,
    /// Replays of streams of 10 events.
    Short,
    /// Replays of a stream of all events.
    Long,
    /// A read of all events.
    Scan,
    /// Bytes of the file for each event, less being more.
    Bytes,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let (rounds, scale) = if has("--bench") && !has("--quick") { (5, 1) } else { (1, 50) };
    println!("ratio to pages of 4,096 bytes, median of {rounds} rounds; more is better");
    print!("{:>8}{:>8}", "payload", "page");
    for work in WORKS {
        print!("{:>11}", format!("{work:?}"));
    }
    println!();
    for payload in PAYLOADS {
        let count = (if payload > 5_000 { 2_000 } else { 6_000 }) / scale;
        let mut rates = vec![vec![Vec::new(); WORKS.len()]; PAGES.len()];
        for round in 0..rounds {
            for (index, work) in WORKS.iter().enumerate() {
                for page in 0..PAGES.len() {
                    let page = (page + round) % PAGES.len();
                    rates[page][index].push(run(*work, PAGES[page], payload, count)?);
                }
            }
        }
        for (page, of_page) in PAGES.iter().zip(&rates) {
            print!("{payload:>8}{page:>8}");
            for (rates, base) in of_page.iter().zip(&rates[0]) {
                print!("{:>11.2}", median(rates.iter().zip(base).map(|(rate, base)| rate / base)));
            }
            println!();
        }
    }
    Ok(())
}

/// Events a second.
#[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
fn run(work: Work, page: u32, payload: usize, count: usize) -> Result<f64, Box<dyn Error>> {
    // Below `target`: the system's temporary folder may be in memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let file = folder.path().join("pages.db");
    let durability = if work == Work::FreshFull { Durability::Full } else { Durability::Normal };
    let options = SqliteOptions::new().durability(durability).page_bytes(page);
    let store = options.open(&file)?;
    let count = if work == Work::FreshFull { count / 6 } else { count };
    let text = format!(r#"{{"text":"{}"}}"#, "x".repeat(payload));
    let streams: Vec<_> = (0..count).map(|number| StreamName::new("s", &format!("{number:012}"))).collect();
    let start = Instant::now();
    match work {
        Work::Fresh | Work::FreshFull => {
            streams.iter().try_for_each(|stream| append(&store, &text, &[stream], 1))?;
        }
        Work::One => (0..count).try_for_each(|_| append(&store, &text, &[&streams[0]], 1))?,
        Work::Group => {
            let old: Vec<_> = streams.iter().take(32).collect();
            (0..count / 32).try_for_each(|_| append(&store, &text, &old, 1))?;
        }
        Work::Short | Work::Long | Work::Scan | Work::Bytes => {
            let of_ten = count / 10;
            let streams = if work == Work::Short { &streams[..of_ten] } else { &streams[..1] };
            (0..of_ten)
                .try_for_each(|number| append(&store, &text, &[&streams[number % streams.len()]], 10))?;
            drop(store);
            let store = options.open(&file)?;
            let start = Instant::now();
            return Ok(match work {
                Work::Bytes => {
                    store.checkpoint_wal()?;
                    count as f64 / std::fs::metadata(&file)?.len() as f64
                }
                Work::Scan => {
                    let mut seen = 0;
                    store.read_all(Filter::new(), Position::START, usize::MAX, &mut |event| {
                        seen += event.payload.len();
                        ControlFlow::Continue(())
                    })?;
                    assert!(seen > 0);
                    count as f64 / start.elapsed().as_secs_f64()
                }
                _ => {
                    for stream in streams {
                        store.replay(stream, 0, usize::MAX, &mut |_| ControlFlow::Continue(()))?;
                    }
                    count as f64 / start.elapsed().as_secs_f64()
                }
            });
        }
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

/// Appends events of this payload to each of these streams, in one commit.
fn append(
    store: &SqliteStore,
    payload: &str,
    streams: &[&StreamName],
    each: usize,
) -> Result<(), Box<dyn Error>> {
    let metadata = Metadata::default();
    let event = || NewEvent::new("written", 1, payload, Uuid::now_v7(), Timestamp::now(), &metadata);
    let events: Vec<Vec<_>> = streams.iter().map(|_| (0..each).map(|_| event()).collect()).collect();
    let appends: Vec<_> = streams
        .iter()
        .zip(&events)
        .map(|(stream, events)| Append::new(stream, ExpectedVersion::Any, events))
        .collect();
    store.append(&appends)?;
    Ok(())
}

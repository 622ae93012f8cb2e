//! Streams of events that wait, and what that costs.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use factum::prelude::*;
use factum::tasks::AsyncStoreExt as _;
use futures_core::Stream as _;
use tokio::runtime::Builder;

use crate::account::{Deposit, Replayed};
use crate::report::print_ratio;
use crate::usage::{cpu_percent, threads};

const STREAMS: usize = 1_000;

/// Lets 1,000 streams of one file wait, each in a task that has seen all events.
pub(crate) fn idle(time: Duration) -> Result<(), Box<dyn Error>> {
    let runtime = Builder::new_multi_thread().build()?;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let store = SqliteStore::open(folder.path().join("tasks.db"))?;
    let accounts = store.repository::<Replayed>();
    accounts.execute(Deposit { account: "alice".into(), cents: 1 })?;
    let (seen, mut all_seen) = tokio::sync::mpsc::channel(STREAMS);
    for _ in 0..STREAMS {
        let (mut stream, seen) = (store.stream(SubscriptionOptions::new()), seen.clone());
        runtime.spawn(async move {
            while let Some(event) = poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await {
                let is_seen = event.is_ok() && seen.send(()).await.is_ok();
                assert!(is_seen, "a stream reads an event");
            }
        });
    }
    runtime.block_on(async {
        for _ in 0..STREAMS {
            all_seen.recv().await.ok_or("the streams live")?;
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    let cpu = cpu_percent(time)?;
    println!("\n{STREAMS} idle streams: {cpu:.2} % of a core, {} threads in the process", threads()?);
    print_ratio("tasks/1000-idle-streams-cpu-percent", cpu, "<=", 1.0);
    Ok(())
}

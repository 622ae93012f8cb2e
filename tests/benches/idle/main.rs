//! Idle followers: their CPU time and their threads, how soon they see an event of another process, and how long it
//! takes to stop them.
//!
//! `cargo bench -p factum-tests --bench idle [-- --quick]`

#[path = "../shared/account.rs"]
mod account;
mod followers;
mod lag;
#[path = "../shared/report.rs"]
mod report;
mod usage;

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use factum::prelude::*;

use self::account::{Account, Deposit};
use self::followers::{AllFour, OneOfEach, stop_all};
use self::report::print_ratio;
use self::usage::threads;

const STORES: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [job, path, count, pause] = arguments.as_slice()
        && job == "append-to"
    {
        return lag::append(Path::new(path), count.parse()?, Duration::from_millis(pause.parse()?));
    }
    if let [job, process, seconds] = arguments.as_slice()
        && job == "cpu-of"
    {
        return usage::print_cpu_percent(process, Duration::from_secs(seconds.parse()?));
    }
    let has = |wanted| arguments.iter().any(|argument| argument == wanted);
    // `cargo test --benches` only wants to see it run.
    let is_quick = has("--quick") || !has("--bench");
    let time = Duration::from_secs(if is_quick { 4 } else { 20 });
    // Below `target`: the system's temporary folder may be in memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let stores = (0..STORES)
        .map(|number| {
            let store = SqliteStore::open(folder.path().join(format!("{number}.db")))?;
            store.repository::<Account>().execute(Deposit { account: "a".into(), cents: 1 })?;
            Ok(store)
        })
        .collect::<Result<Vec<_>, Box<dyn Error>>>()?;

    let followers = stores.iter().map(OneOfEach::start).collect::<Result<Vec<_>, _>>()?;
    // Until the first leases are old, and threads that are idle have ended.
    std::thread::sleep(Duration::from_secs(4));
    let share = usage::cpu_percent(time)?;
    println!("200 followers over 100 stores: {share:.2} % of a core, {} threads", threads()?);
    let beside = lag::measure(&stores[0], &followers[0].view, if is_quick { 20 } else { 100 }, 200)?;
    println!("an event of another process, 200 ms after the last one, beside the other 99 stores: {beside}");
    stop_all(followers)?;

    let view = OneOfEach::start(&stores[0])?;
    let alone = lag::measure(&stores[0], &view.view, if is_quick { 20 } else { 100 }, 300)?;
    println!("an event of another process, 300 ms after the last one, in the only store: {alone}");
    let rare = lag::measure(&stores[0], &view.view, if is_quick { 3 } else { 15 }, 2_000)?;
    println!("an event of another process, 2 s after the last one, in the only store: {rare}");
    stop_all([view])?;

    for is_together in [false, true] {
        let followers = stores.iter().map(OneOfEach::start).collect::<Result<Vec<_>, _>>()?;
        std::thread::sleep(Duration::from_secs(1));
        let begun = Instant::now();
        if is_together {
            stop_all(followers)?;
        } else {
            followers.into_iter().try_for_each(|one| stop_all([one]))?;
        }
        let how = if is_together { "together" } else { "store after store" };
        println!("200 followers are stopped {how} in {:.1?}", begun.elapsed());
    }

    let followers = stores.iter().map(AllFour::start).collect::<Result<Vec<_>, _>>()?;
    let most = usage::most_threads(Duration::from_secs(8))?;
    println!("400 followers over 100 stores: {most} threads");
    stop_all(followers)?;

    println!();
    print_ratio("idle/cpu-percent-of-200", share, "<=", 1.0);
    #[expect(clippy::cast_precision_loss, reason = "a count of threads")]
    print_ratio("idle/threads-of-400", most as f64, "<=", 16.0);
    for (name, lag) in [("beside-99", &beside), ("alone", &alone), ("alone-rare", &rare)] {
        print_ratio(&format!("idle/lag-{name}-median-ms"), lag.median, "<=", 5.0);
        print_ratio(&format!("idle/lag-{name}-worst-ms"), lag.worst, "<=", 50.0);
    }
    Ok(())
}

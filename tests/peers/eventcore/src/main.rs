//! Measures eventcore in the works of the comparison: `peer-eventcore <work> <full|normal> <count> <folder>`.

#![forbid(unsafe_code)]

mod account;
mod database;
mod projection;
mod works;

use std::path::PathBuf;

use tokio::runtime::Builder;

use crate::database::{Database, Synchronous};
use crate::works::{catchup, commands, load, size};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [work, synchronous, count, folder] = words.as_slice() else {
        panic!("four words are needed: <work> <full|normal> <count> <folder>");
    };
    let count: usize = count.parse().expect("the count is a whole number");
    let database = Database::new(&PathBuf::from(folder), Synchronous::named(synchronous));

    // The store works on blocking threads in any case: for one task, more workers only add hand-overs between
    // threads.
    let has_many = matches!(work.as_str(), "threads32" | "tasks64" | "tasks1000");
    let mut builder = if has_many { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    let runtime = builder.enable_all().build().expect("a runtime starts");
    let rate = runtime.block_on(async {
        match work.as_str() {
            "fresh" => commands::fresh(&database, count).await,
            "one" => commands::one(&database, count).await,
            "threads32" => commands::by_tasks(&database, count, 32).await,
            "task1" => commands::by_tasks(&database, count, 1).await,
            "tasks64" => commands::by_tasks(&database, count, 64).await,
            "tasks1000" => commands::by_tasks(&database, count, 1_000).await,
            "load" => load::run(&database, count).await,
            "size" => size::run(&database, count).await,
            "catchup-memory" => catchup::in_memory(&database, count).await,
            "catchup-view" => catchup::with_checkpoint(&database, count).await,
            unknown => panic!("there is no work `{unknown}`"),
        }
    });
    println!("rate {rate:.1}");
}

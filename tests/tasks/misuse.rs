use std::env;
use std::process::Command;

use factum::EventStoreExt as _;
use factum::memory::MemoryStore;
use factum::tasks::AsyncStoreExt as _;

use crate::account::{Account, deposit, id, open};
use crate::{LONG, runtime};

/// Set for the process whose standard error the test reads.
const IS_CHILD: &str = "FACTUM_TEST_BLOCKS";

/// Calls that block, some of them where they must not.
fn call() {
    let store = MemoryStore::new();
    let accounts = store.repository::<Account>();
    let of_task = accounts.clone();
    let runtime = runtime();
    let task = runtime.spawn(async move {
        for _ in 0..3 {
            let _ = of_task.execute(open("alice"));
        }
        drop(of_task.load(&id("alice")).unwrap());
        tokio::task::block_in_place(|| of_task.load(&id("alice")).unwrap());
        let of_thread = of_task.clone();
        tokio::task::spawn_blocking(move || of_thread.load(&id("alice")).unwrap()).await.unwrap();
        of_task.execute_async(deposit("alice", 1)).await.unwrap();
        of_task.load_async(&id("alice")).await.unwrap();
        store.atomically_async(0, move |work| work.execute(&of_task, deposit("alice", 1)).map(drop)).await
    });
    runtime.block_on(task).unwrap().unwrap();
    runtime.block_on(async { accounts.load(&id("alice")).map(drop) }).unwrap();
    accounts.execute(deposit("alice", 1)).unwrap();
    runtime.shutdown_timeout(LONG);
}

/// A call that blocks a worker thread is reported once per place; where a thread may block, nothing is.
#[test]
fn blocking_calls_on_worker_threads_are_reported() {
    if env::var_os(IS_CHILD).is_some() {
        return call();
    }
    let test = "misuse::blocking_calls_on_worker_threads_are_reported";
    let mut child = Command::new(env::current_exe().unwrap());
    let output = child.args([test, "--exact"]).env(IS_CHILD, "1").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<_> = lines.lines().filter(|line| line.starts_with("factum: ")).collect();
    let [execute, load] = lines[..] else { panic!("{lines:#?}") };
    let begins = "factum: `Repository::execute` blocks a worker thread of tokio, at tests/tasks/misuse.rs:";
    assert!(execute.starts_with(begins) && execute.ends_with(": await `execute_async` there"), "{execute}");
    assert!(load.contains("`Repository::load`") && load.ends_with(": await `load_async` there"), "{load}");
}

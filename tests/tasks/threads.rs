use factum::EventStoreExt as _;
use tempfile::TempDir;

use crate::account::{Account, open};
use crate::{open_file, runtime};

/// How many threads this process has. Other tests may run beside.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// 10,000 tasks that wait for their commits do not need 10,000 threads, nor tokio's 512.
#[test]
fn many_tasks_need_few_threads() {
    let folder = TempDir::new().unwrap();
    let accounts = open_file(&folder).repository::<Account>();
    let runtime = runtime();
    let tasks: Vec<_> = (0..10_000)
        .map(|task: u32| {
            let accounts = accounts.clone();
            runtime.spawn(
                async move { accounts.execute_async(open(&task.to_string())).await.map(|_| threads()) },
            )
        })
        .collect();
    let most = tasks.into_iter().map(|task| runtime.block_on(task).unwrap().unwrap()).max();
    // The tests beside this one have some dozens.
    assert!(most.unwrap() < 150, "{most:?}");
}

//! Timers that tasks set.

use std::time::Duration;

use factum::follow::KeepsTimers;
use factum::prelude::*;
use factum::tasks::AsyncApplicationExt as _;

use crate::account::{Account, Deposit, deposit, id, open};
use crate::{LONG, runtime};

#[derive(Application)]
#[application(aggregates(Account), schedules(Deposit))]
struct Savings {}

#[test]
fn tasks_set_and_cancel_timers() {
    timers_on(&SqliteStore::in_memory().unwrap());
    timers_on(&MemoryStore::new());
}

fn timers_on<S: KeepsTimers>(store: &S) {
    runtime().block_on(async {
        let bank = Savings {}.start_async(store).await.unwrap();
        let later = Timestamp::now().after(LONG);
        let options = ExecuteOptions::new().schedule(later, deposit("alice", 5), "with its event");
        bank.execute_with_async(open("alice"), &options).await.unwrap();
        assert!(!bank.schedule_async(later, deposit("alice", 7), "alone").await.unwrap());
        let keys = || bank.scheduled().unwrap().into_iter().map(|timer| timer.key).collect::<Vec<_>>();
        assert_eq!(keys(), ["with its event", "alone"]);

        assert!(bank.cancel_async("alone").await.unwrap());
        assert!(!bank.cancel_async("alone").await.unwrap());
        let options = ExecuteOptions::new().schedule(Timestamp::now(), deposit("alice", 9), "with its event");
        bank.execute_with_async(deposit("alice", 1), &options).await.unwrap();
        while !keys().is_empty() {
            std::thread::sleep(Duration::from_millis(2));
        }
        assert_eq!(bank.repository::<Account>().load(&id("alice")).unwrap().state().cents, 10);
        bank.stop_async(LONG).await.unwrap();
    });
}

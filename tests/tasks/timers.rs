//! Timers that tasks set.

use factum::follow::KeepsTimers;
use factum::prelude::*;
use factum::tasks::AsyncApplicationExt as _;

use crate::account::{Account, Deposit, deposit, id, open};
use crate::bounded::wait_until;
use crate::{LONG, runtime};

#[derive(Application)]
#[application(aggregates(Account), schedules(Deposit))]
struct Savings {}

/// What a caller can do with timers, in tasks.
#[test]
fn tasks_look_after_timers() {
    look_after_timers(&SqliteStore::in_memory().unwrap());
    look_after_timers(&MemoryStore::new());
}

fn look_after_timers<S: KeepsTimers>(store: &S) {
    runtime().block_on(async {
        let bank = Savings {}.start_async(store).await.unwrap();
        let timers = bank.timers();
        let later = Timestamp::now().after(LONG);
        for key in ["first", "second"] {
            bank.schedule_async(later, deposit("alice", 5), key).await.unwrap();
        }
        let waiting = timers.waiting_async().await.unwrap();
        assert_eq!(waiting, timers.waiting().unwrap());
        assert_eq!(timers.waiting_after_async(&waiting[0], 10).await.unwrap(), waiting[1..]);

        // The account is not open, so that its commands are refused.
        for key in ["third", "fourth"] {
            bank.schedule_async(Timestamp::now(), deposit("bob", 5), key).await.unwrap();
        }
        wait_until(|| timers.dead_letters().unwrap().len() == 2);
        let letters = timers.dead_letters_async().await.unwrap();
        assert_eq!(timers.dead_letters_after_async(&letters[0], 10).await.unwrap(), letters[1..]);
        assert!(timers.discard_async(letters[0].number, "bob has left").await.unwrap());
        assert!(!timers.discard_async(letters[0].number, "bob has left").await.unwrap());
        let discarded = timers.discarded_async().await.unwrap();
        assert_eq!(discarded.iter().map(|timer| &*timer.reason).collect::<Vec<_>>(), ["bob has left"]);
        bank.execute_async(open("bob")).await.unwrap();
        assert!(timers.retry_async(letters[1].number).await.unwrap());
        wait_until(|| timers.dead_letters().unwrap().is_empty());
        bank.stop_async(LONG).await.unwrap();
    });
}

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
        wait_until(|| keys().is_empty());
        assert_eq!(bank.repository::<Account>().load(&id("alice")).unwrap().state().cents, 10);
        bank.stop_async(LONG).await.unwrap();
    });
}

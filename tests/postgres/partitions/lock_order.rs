//! Two programs that take leases and lock positions never wait for each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use factum::follow::{Activity, FollowerChange};
use factum::postgres::{Postgres, PostgresProjection, ViewTransaction};
use factum::prelude::*;

use crate::LONG;
use crate::account::{Account, Deposited, deposit, id, open};
use crate::server::on_server;
use crate::support::bounded::wait_until;

/// Slow, so that it takes many steps for the deposits of an account. Those of `late` fail at first.
#[derive(Clone, Projection)]
#[projection(
    name = "slow",
    events(Deposited),
    from(Account),
    into = Postgres,
    partition_by = stream,
    init = "CREATE TABLE seen (position bigint PRIMARY KEY)"
)]
struct Slow {
    fails: Arc<AtomicBool>,
}

#[handlers]
impl Slow {
    #[project]
    fn deposited(
        &self,
        _: &Deposited,
        envelope: &Envelope<'_>,
        view: &ViewTransaction<'_>,
    ) -> Result<(), BoxError> {
        if envelope.key == "late" && self.fails.load(Ordering::SeqCst) {
            return Err("not now".into());
        }
        thread::sleep(Duration::from_millis(2));
        let position = i64::try_from(envelope.position.get())?;
        view.execute("INSERT INTO seen VALUES ($1)", &[&position])?;
        Ok(())
    }
}

/// A single worker brings the partitions of an earlier program to one position. Its steps take the leases of all of them before
/// they lock a position, as the steps of other programs do.
#[test]
fn a_single_worker_takes_the_leases_of_all_partitions_before_it_locks_a_position() {
    const DEPOSITS: u32 = 100;
    on_server!(server);
    let schema = server.new_schema();
    let store = server.store(&schema);
    let accounts = store.repository::<Account>();
    for name in ["late", "a", "b", "c"] {
        accounts.execute(open(name)).unwrap();
    }
    accounts.execute_batch(&id("late"), (0..DEPOSITS).map(|_| deposit("late", 1))).unwrap();
    for name in ["a", "b", "c"] {
        accounts.execute(deposit(name, 1)).unwrap();
    }
    let newest = store.position().unwrap();
    let slow = Slow { fails: Arc::new(true.into()) };
    let start = |workers, hook: Box<dyn Fn(&FollowerChange) + Send + Sync>| {
        let view = PostgresProjection::new(&store, slow.clone()).unwrap().workers(workers);
        view.follow().retry(u32::MAX, LONG).on_change(hook).start().unwrap()
    };
    let several = start(4, Box::new(|_| {}));
    wait_until(|| {
        let state = several.state();
        let done = state.partitions.iter().filter(|partition| partition.position == newest).count();
        done == 3 && matches!(state.activity, Activity::Retrying { .. })
    });
    several.stop().unwrap();
    slow.fails.store(false, Ordering::SeqCst);
    let has_failed = Arc::new(AtomicBool::new(false));
    let failed = Arc::clone(&has_failed);
    let single = start(
        1,
        Box::new(move |change| {
            if matches!(change, FollowerChange::Retrying { .. }) {
                failed.store(true, Ordering::SeqCst);
            }
        }),
    );
    // As a program that takes the lease of a partition, and then locks the position.
    let other = server.session();
    let lease = format!("DELETE FROM {schema}.leases WHERE name = 'slow (partition 1)'");
    let position = format!("SELECT true FROM {schema}.checkpoints WHERE follower = 'slow' FOR UPDATE");
    wait_until(|| {
        for sql in ["BEGIN", &lease, &position, "ROLLBACK"] {
            other.sql(sql).unwrap();
        }
        single.position() == newest
    });
    single.stop().unwrap();
    assert!(!has_failed.load(Ordering::SeqCst), "a step of the worker was one of a deadlock");
}

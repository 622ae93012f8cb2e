//! Programs that share the partitions of a follower.

use std::thread;

use factum::postgres::PostgresProjection;
use factum::prelude::*;

use crate::account::{Account, deposit, open};
use crate::server::on_server;
use crate::support::sql_views::{SqlBalances, balances};

/// Two programs catch up at once.
#[test]
fn catch_ups_of_two_programs_count_each_event_once() {
    on_server!(server);
    let schema = server.new_schema();
    let stores = [(); 2].map(|()| server.store(&schema));
    let accounts = stores[0].repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    for _ in 0..20 {
        accounts.execute_batch(&crate::account::id("alice"), (0..100).map(|_| deposit("alice", 1))).unwrap();
    }
    for workers in [1, 2] {
        for round in 0..5 {
            drop(PostgresProjection::from_scratch(&stores[0], SqlBalances::default()).unwrap());
            thread::scope(|scope| {
                for store in &stores {
                    scope.spawn(move || {
                        let view = PostgresProjection::new(store, SqlBalances::default()).unwrap();
                        view.workers(workers).catch_up().unwrap();
                    });
                }
            });
            assert_eq!(balances(&stores[0])["alice"], (2_000, 2_001), "{workers} workers, round {round}");
        }
    }
}

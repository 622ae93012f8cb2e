//! The leader is lost, again and again, while the programs write.

use std::env;
use std::thread;
use std::time::{Duration, Instant};

use factum::postgres::PostgresOptions;

use crate::check;
use crate::nodes::{Cluster, TTL};
use crate::program::Programs;

/// How long the programs write in peace before each failure.
const PEACE: Duration = Duration::from_secs(5);

#[test]
#[ignore = "starts a cluster: cargo test -p factum-tests --test cluster -- --ignored --nocapture"]
fn a_lost_leader_loses_and_doubles_nothing() {
    let cluster = Cluster::start();
    let mut programs = Programs::start(&cluster);
    let rounds = env::var("FACTUM_CLUSTER_ROUNDS").map_or(1, |rounds| rounds.parse().expect("a number"));
    for round in 1..=rounds {
        for failure in [Failure::Switchover, Failure::Kill, Failure::Freeze] {
            thread::sleep(PEACE);
            let leader = cluster.leader().expect("a whole cluster has a leader");
            let begun = Instant::now();
            failure.begin(&cluster, leader);
            let next = cluster.wait_for_other_leader(leader);
            let led_after = begun.elapsed();
            programs.wait_for_answer(Instant::now());
            failure.end(&cluster, leader);
            cluster.wait_until_whole();
            println!(
                "round {round}, {failure:?} of node {leader}: node {next} leads after {:.1} s; the longest time without an acknowledged \
                 command is {:.1} s (ttl {} s); {} commands acknowledged, {} sent again",
                led_after.as_secs_f64(),
                programs.longest_silence(begun).as_secs_f64(),
                TTL.as_secs(),
                programs.acknowledged(),
                programs.sent_again(),
            );
        }
    }
    let written = programs.stop();
    let store = PostgresOptions::new().connect(&cluster.url()).unwrap();
    check::nothing_is_lost_or_doubled(&store, &written);
    programs.check_views(&store);
    println!("{} events, each once, and all views are exact", written.len());
}

/// How a leader is lost.
#[derive(Debug, Clone, Copy)]
enum Failure {
    /// An operator makes another node the leader.
    Switchover,
    /// All processes of the node end at once: PostgreSQL, Patroni and etcd.
    Kill,
    /// All of them stop, and go on when another node leads, as a machine that was cut off or suspended.
    Freeze,
}

impl Failure {
    fn begin(self, cluster: &Cluster, leader: usize) {
        match self {
            Self::Switchover => cluster.switch_over(leader),
            Self::Kill => cluster.signal(leader, "KILL"),
            Self::Freeze => cluster.signal(leader, "STOP"),
        }
    }

    fn end(self, cluster: &Cluster, leader: usize) {
        match self {
            Self::Switchover => {}
            Self::Kill => cluster.start_node(leader),
            Self::Freeze => cluster.signal(leader, "CONT"),
        }
    }
}

//! The leader is lost, again and again, while the programs write.

use std::env;
use std::thread;
use std::time::{Duration, Instant};

use factum::postgres::PostgresOptions;

use crate::check;
use crate::nodes::{Cluster, TTL};
use crate::probe::Probe;
use crate::program::Programs;
use crate::welcome::check_cards;

/// How long the programs write in peace before each failure.
const PEACE: Duration = Duration::from_secs(8);

#[test]
#[ignore = "starts a cluster: cargo test -p factum-tests --test cluster -- --ignored --nocapture"]
fn a_lost_leader_loses_and_doubles_nothing() {
    let cluster = Cluster::start();
    let mut programs = Programs::start(&cluster);
    let rounds = env::var("FACTUM_CLUSTER_ROUNDS").map_or(1, |rounds| rounds.parse().expect("a number"));
    for round in 1..=rounds {
        for failure in [Failure::Switchover, Failure::Kill, Failure::Freeze, Failure::Cut] {
            let leader = cluster.leader().expect("a whole cluster has a leader");
            // With a new leader, etcd counts the time of the cluster's leader again. It has renewed that before the peace is over.
            let has_etcd = round % 2 == 0;
            cluster.lead_etcd(if has_etcd { leader } else { cluster.next(leader) });
            thread::sleep(PEACE);
            let etcd = if has_etcd { " and of etcd" } else { "" };
            let probe = Probe::start(cluster.urls_but(leader));
            let begun = Instant::now();
            failure.begin(&cluster, leader);
            let next = cluster.wait_for_other_leader(leader);
            let leads = probe.end();
            let back = programs.wait_until_back(leads.writes);
            failure.end(&cluster, leader);
            cluster.wait_until_whole(Some(leader));
            let since =
                |earlier: Instant| move |at: Instant| at.saturating_duration_since(earlier).as_secs_f64();
            let (after_failure, after_commit) = (since(begun), since(leads.confirms));
            println!(
                "round {round}, {failure:?} of node {leader}, leader of PostgreSQL{etcd}: node {next} accepts writes after \
                 {:.1} s, and commits after {:.1} s; from then, the programs answer after {:.2?} s, their views have \
                 seen it after {:.2?} s, and the process goes on after {:.2?} s; the longest time without an acknowledged \
                 command is {:.1} s (ttl {} s); {} commands acknowledged, {} sent again",
                after_failure(leads.writes),
                after_failure(leads.confirms),
                back.answers.map(after_commit),
                back.views.map(after_commit),
                back.process.map(after_commit),
                programs.longest_silence(begun).as_secs_f64(),
                TTL.as_secs(),
                programs.acknowledged(),
                programs.sent_again(),
            );
        }
    }
    let written = programs.stop();
    let store = PostgresOptions::new().connect(&cluster.url()).unwrap();
    // The programs go on with the process until they are told to end.
    let of_cards = check_cards(&store, &check::accounts(&written));
    check::nothing_is_lost_or_doubled(&store, &written, of_cards);
    programs.check_views(&store);
    check::views_in_the_cluster_are_exact(&store);
    println!(
        "{} commands of the programs and {of_cards} of the process, each once, and all views are exact",
        written.len()
    );
}

/// How a leader is lost.
#[derive(Debug, Clone, Copy)]
enum Failure {
    /// An operator makes another node the leader.
    Switchover,
    /// All processes of the node end at once: PostgreSQL, Patroni and etcd.
    Kill,
    /// All of them stop, and go on when another node leads, as a machine that was suspended.
    Freeze,
    /// The node reaches no other one, until another one leads. The programs reach all.
    Cut,
}

impl Failure {
    fn begin(self, cluster: &Cluster, leader: usize) {
        match self {
            Self::Switchover => cluster.switch_over(leader),
            Self::Kill => cluster.signal(leader, "KILL"),
            Self::Cut if cluster.network.can_cut() => cluster.network.cut(leader),
            Self::Freeze | Self::Cut => cluster.signal(leader, "STOP"),
        }
    }

    fn end(self, cluster: &Cluster, leader: usize) {
        match self {
            Self::Switchover => {}
            Self::Kill => cluster.start_node(leader),
            Self::Cut if cluster.network.can_cut() => cluster.network.heal(leader),
            Self::Freeze | Self::Cut => cluster.signal(leader, "CONT"),
        }
    }
}

//! A PostgreSQL cluster that loses its leader, under the writes of three programs.
//!
//! `cargo test -p factum-tests --test cluster -- --ignored --nocapture` starts three nodes under Patroni and three etcd on this
//! machine, and takes some minutes. `CONTRIBUTING.md` says what has to be installed. As root, it also cuts the leader off from the
//! other nodes. `FACTUM_CLUSTER_ROUNDS=5` before it takes the leader away 20 times.

#![cfg(target_os = "linux")]

#[path = "../support/account.rs"]
mod account;
mod bank;
mod check;
mod failovers;
mod network;
mod nodes;
mod probe;
mod program;
mod views;
mod welcome;

use std::time::Duration;

/// A time that no wait takes, unless the test fails.
const LONG: Duration = Duration::from_mins(3);

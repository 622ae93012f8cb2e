//! Commands on new accounts beside other libraries on PostgreSQL, each in a program of its own in `tests/peers`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::median::median;
use crate::print_ratio;
use crate::server::Server;
use crate::tasks::{CALLERS, rate_of_commands};

const PEERS: [&str; 3] = ["postgres-es", "eventcore-postgres", "disintegrate"];

pub(crate) fn compare(server: &Server, runtime: &Runtime, rounds: usize, time: Duration) {
    let programs: Vec<_> = PEERS.iter().filter_map(|peer| Some((*peer, build(peer)?))).collect();
    if programs.is_empty() {
        return;
    }
    let mut ratios = Vec::new();
    let mut rates = vec![Vec::new(); programs.len()];
    for round in 0..rounds {
        let ours = rate_of_commands(&server.new_store(), runtime, time);
        let mut fastest = 0.0_f64;
        for ((name, program), rates) in programs.iter().zip(&mut rates) {
            let database = format!("{}_{round}", name.replace('-', "_"));
            server.sql(&format!("CREATE DATABASE {database}"));
            let url = format!("postgresql://postgres@127.0.0.1:{}/{database}", server.port);
            let rate = run(program, &url, time);
            server.sql(&format!("DROP DATABASE {database} WITH (FORCE)"));
            // Its reason was printed: disintegrate 4.0 asks for PostgreSQL 16.
            let Some(rate) = rate else { continue };
            fastest = fastest.max(rate);
            rates.push(rate);
        }
        ratios.push(ours / fastest);
    }
    println!("\n{CALLERS} tasks, commands a second, median of {rounds} rounds of {time:?}");
    for ((name, _), rates) in programs.iter().zip(&rates).filter(|(_, rates)| !rates.is_empty()) {
        println!("{name:<20}{:>10.0}", median(rates.iter().copied()));
    }
    print_ratio(&format!("postgres/fastest-peer-of-{CALLERS}"), median(ratios), ">=", 3.0);
}

/// Builds the program of a peer. One that can't be built is reported and left out.
fn build(peer: &str) -> Option<PathBuf> {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    let target = peers.join("target");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--manifest-path"])
        .arg(peers.join(peer).join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .status()
        .expect("cargo runs");
    if !built.success() {
        println!("{peer} is left out: it can't be built");
        return None;
    }
    Some(target.join("release").join(format!("peer-{peer}")))
}

/// The commands a second of a peer. One that fails is reported and left out.
fn run(program: &Path, url: &str, time: Duration) -> Option<f64> {
    let run = Command::new(program)
        .args([url, &CALLERS.to_string(), &time.as_millis().to_string()])
        .output()
        .expect("the program was built");
    let output = String::from_utf8_lossy(&run.stdout).into_owned();
    let rate = output.lines().find_map(|line| line.strip_prefix("rate ")?.parse().ok());
    if rate.is_none() {
        println!("{} is left out: {}", program.display(), String::from_utf8_lossy(&run.stderr));
    }
    rate
}

//! The jobs of child processes, each of which is this test program again.

use super::job;
use crate::{application, partitions, process_managers};

/// Runs the job that the environment names. As a test it does nothing.
#[test]
fn entry() {
    let Some((job, folder)) = job::to_run() else { return };
    match &*job {
        "ring" => application::timers::kills::ring_until_killed(&folder),
        "run" => process_managers::kills::run(&folder),
        "share" => partitions::programs::share(&folder),
        "fulfil" => process_managers::kills::fulfil(&folder),
        other => panic!("no such job: {other}"),
    }
}

//! The jobs of child processes, each of which is this test program again.

use super::job;
use crate::application;
#[cfg(target_os = "linux")]
use crate::application::tenants;
use crate::follow::kills;
#[cfg(target_os = "linux")]
use crate::follow::sharing;
use crate::process_managers;
use crate::processes;
use crate::store::bad_files;
use crate::store::copies;
#[cfg(unix)]
use crate::store::failing_disk;

/// Runs the job that the environment names. As a test it does nothing.
#[test]
fn entry() {
    let Some((job, file)) = job::to_run() else { return };
    match &*job {
        "append-any" => processes::one_file::append_any(&file),
        "append-exactly" => processes::one_file::append_exactly(&file),
        "open-files" => processes::one_file::open_files(),
        "deposit" => processes::one_file::deposit_each_of_two(&file),
        "append-until-killed" => processes::kills::append_until_killed(&file),
        "copy" => copies::interrupted::copy(&file),
        #[cfg(unix)]
        "append-to-the-limit" => failing_disk::append_to_the_limit(&file),
        #[cfg(unix)]
        "fork" => processes::forks::fork_with_a_store(&file),
        #[cfg(unix)]
        "fork-runner" => processes::forks::fork_with_a_runner(&file),
        #[cfg(unix)]
        "open-protected" => bad_files::open_protected(&file),
        #[cfg(unix)]
        "write" => processes::watching::write(&file),
        #[cfg(target_os = "linux")]
        "many-tenants" => tenants::many::serve(&file),
        #[cfg(target_os = "linux")]
        "many-followers" => sharing::follow_much(&file),
        "project" => kills::projections::project(&file),
        "write-with-views" => kills::projections::write_until_killed(&file),
        "catch-up" => kills::catch_ups::catch_up_until_killed(&file),
        "rebuild" => kills::catch_ups::rebuild_until_killed(&file),
        "catch-up-with-workers" => kills::catch_ups::catch_up_with_workers_until_killed(&file),
        #[cfg(target_os = "linux")]
        "follow" => kills::leases::follow_until_killed(&file),
        "react" => kills::reactions::react_until_killed(&file),
        "fulfil" => process_managers::kills::fulfil(&file),
        "run" => process_managers::kills::run(&file),
        "ring" => application::timers::kills::ring_until_killed(&file),
        other => panic!("no such job: {other}"),
    }
}

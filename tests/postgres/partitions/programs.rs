//! Programs that share partitions and are killed, or suspended beyond their leases.

use std::io::{Read, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use factum::follow::{Delivery, RunningFollower};
use factum::postgres::{PostgresOptions, PostgresProjection};
use factum::prelude::*;
use tempfile::TempDir;

use super::{ACCOUNTS, Traffic, check_view, here};
use crate::LONG;
use crate::account::{Account, Deposited, deposit, id, open};
use crate::server::on_server;
use crate::support::bounded::wait_until;
use crate::support::job::{Job, say};
use crate::support::kept;
use crate::support::sql_views::SqlBalances;

const WORKERS: u32 = 6;

/// Deposits in an account lead to the same ones in its mirror.
#[derive(Debug, Clone, Reaction)]
#[reaction(name = "mirror", events(Deposited), from(Account), partition_by = stream)]
struct Mirror(PostgresStore);

#[handlers]
impl Mirror {
    #[react]
    fn deposited(&self, event: &Deposited, key: &str, delivery: &Delivery) -> Result<(), BoxError> {
        let Some(number) = key.strip_prefix('a') else { return Ok(()) };
        let command = deposit(&format!("m{number}"), event.cents);
        self.0.repository::<Account>().execute_with(command, &delivery.options().retry(100))?;
        Ok(())
    }
}

/// What one program runs.
struct Program {
    view: RunningFollower<PostgresProjection<SqlBalances>>,
    mirror: RunningFollower<PostgresReaction<Mirror>>,
}

impl Program {
    fn start(store: &PostgresStore) -> Self {
        let lease = Duration::from_secs(1);
        let view = PostgresProjection::new(store, SqlBalances::default()).unwrap().workers(WORKERS);
        let mirror = PostgresReaction::new(store, Mirror(store.clone())).unwrap().workers(WORKERS);
        Self {
            view: view.follow().lease(lease).on_change(|_| {}).start().unwrap(),
            mirror: mirror.follow().lease(lease).on_change(|_| {}).start().unwrap(),
        }
    }

    fn here(&self) -> [usize; 2] {
        [here(&self.view).len(), here(&self.mirror).len()]
    }
}

/// A transaction of a program that is suspended ends soon.
fn open_store(folder: &Path) -> PostgresStore {
    let options = PostgresOptions::new().schema(kept::schema_of(folder)).lock_timeout(LONG);
    options.outage_timeout(Duration::from_secs(2)).connect(&kept::url()).unwrap()
}

/// The job of a program: runs until its input ends.
pub(crate) fn share(folder: &Path) {
    let store = open_store(folder);
    let program = Program::start(&store);
    wait_until(|| program.here().iter().all(|here| *here > 0));
    say("shares");
    let _ = std::io::stdin().read(&mut [0]);
    drop(program);
}

fn start_job(folder: &Path) -> Job {
    let mut job = Job::start("share", folder);
    assert_eq!(job.hear().as_deref(), Some("shares"));
    job
}

fn open_mirrors(store: &PostgresStore) {
    for number in 0..ACCOUNTS {
        store.repository::<Account>().execute(open(&format!("m{number}"))).unwrap();
    }
}

/// Checks that the view has each event once, and that each command of the reaction has happened once.
fn check(store: &PostgresStore, program: &Program, deposits: u64) {
    // The commands of the reaction are events, too.
    program.mirror.wait_for(store.position().unwrap(), LONG).unwrap();
    program.view.wait_for(store.position().unwrap(), LONG).unwrap();
    check_view(store, deposits);
    for number in 0..ACCOUNTS {
        let mirror = store.repository::<Account>().load(&id(&format!("m{number}"))).unwrap();
        assert_eq!(mirror.state().cents.cast_unsigned(), deposits, "m{number}");
    }
}

#[test]
fn partitions_of_killed_programs_go_to_others() {
    on_server!(_server);
    let folder = TempDir::new().unwrap();
    let store = open_store(folder.path());
    open_mirrors(&store);
    let traffic = Traffic::start(&store);
    let program = Program::start(&store);
    let mut jobs = vec![start_job(folder.path()), start_job(folder.path())];
    for _ in 0..4 {
        wait_until(|| program.here() == [2, 2]);
        jobs.remove(0).kill();
        wait_until(|| program.here() == [3, 3]);
        jobs.push(start_job(folder.path()));
    }
    for job in jobs {
        job.kill();
    }
    wait_until(|| program.here() == [6, 6]);
    check(&store, &program, traffic.end());
}

/// Stops a process, or lets it go on.
#[cfg(target_os = "linux")]
fn signal(job: &Job, signal: &str) {
    let kill = std::process::Command::new("kill").args([signal, &job.id().to_string()]).status().unwrap();
    assert!(kill.success());
}

/// What a program had begun before it was suspended must change nothing once others have its partitions.
#[cfg(target_os = "linux")]
#[test]
fn a_program_that_was_suspended_beyond_its_leases_writes_nothing() {
    on_server!(_server);
    let folder = TempDir::new().unwrap();
    let store = open_store(folder.path());
    open_mirrors(&store);
    let traffic = Traffic::start(&store);
    let program = Program::start(&store);
    let mut job = start_job(folder.path());
    for round in 0..6 {
        wait_until(|| program.here() == [3, 3]);
        thread::sleep(Duration::from_millis(round));
        signal(&job, "-STOP");
        wait_until(|| program.here() == [6, 6]);
        program.view.wait_for(store.position().unwrap(), LONG).unwrap();
        signal(&job, "-CONT");
    }
    wait_until(|| program.here() == [3, 3]);
    check(&store, &program, traffic.end());
    writeln!(job.input, "end").unwrap();
    job.finish();
}

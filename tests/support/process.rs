//! Child processes: this test program again, running one of the jobs below.

use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::application;
#[cfg(target_os = "linux")]
use crate::application::tenants;
use crate::follow::kills;
#[cfg(target_os = "linux")]
use crate::follow::sharing;
use crate::process_managers;
use crate::processes;
use crate::store::bad_files;
#[cfg(unix)]
use crate::store::failing_disk;

const JOB: &str = "FACTUM_TEST_JOB";
const FILE: &str = "FACTUM_TEST_FILE";

/// Marks a job's lines among those that the test harness prints.
const SAYS: &str = "job says: ";

/// The first line of each job. A process that runs no job does not print it.
const BEGUN: &str = "begun";

/// The id of a user without privileges.
#[cfg(unix)]
const UNPRIVILEGED_USER: u32 = 65534;

/// Runs the job that the environment names. As a test it does nothing.
#[test]
fn entry() {
    let Ok(job) = std::env::var(JOB) else { return };
    let file = PathBuf::from(std::env::var_os(FILE).unwrap());
    say(BEGUN);
    match &*job {
        "append-any" => processes::one_file::append_any(&file),
        "append-exactly" => processes::one_file::append_exactly(&file),
        "hold" => processes::busy_file::hold_until_told(&file),
        "open-files" => processes::one_file::open_files(),
        "deposit" => processes::one_file::deposit_each_of_two(&file),
        "append-until-killed" => processes::kills::append_until_killed(&file),
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
        "ring" => application::timers::kills::ring_until_killed(&file),
        other => panic!("no such job: {other}"),
    }
}

/// The name of the test `entry`, as the harness knows it.
fn entry_name() -> String {
    let (_program, module) = module_path!().split_once("::").unwrap();
    format!("{module}::entry")
}

/// Sends a line to the parent process.
pub(crate) fn say(text: impl std::fmt::Display) {
    // The harness may have left a line unfinished.
    println!("\n{SAYS}{text}");
}

/// A job in a child process, which is killed on drop.
pub(crate) struct Job {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub(crate) input: ChildStdin,
}

impl Job {
    /// Starts a job on a file, and waits until it has begun.
    pub(crate) fn start(job: &str, file: &Path) -> Self {
        let program = std::env::current_exe().unwrap();
        Self::spawn(&mut Command::new(program), job, file).unwrap()
    }

    /// Starts a job in which no file grows beyond 200 KiB: a write beyond it is an I/O error.
    #[cfg(unix)]
    pub(crate) fn start_with_small_files(job: &str, file: &Path) -> Self {
        // The shell counts in blocks of 512 bytes, or of 1024.
        let limited = r#"trap "" XFSZ; ulimit -f 400; exec "$0" "$@""#;
        let program = std::env::current_exe().unwrap();
        Self::spawn(Command::new("sh").args(["-c", limited]).arg(program), job, file).unwrap()
    }

    /// Starts a job without root's privileges. Every user must be able to read `folder`.
    #[cfg(unix)]
    pub(crate) fn start_unprivileged(job: &str, file: &Path, folder: &Path) -> std::io::Result<Self> {
        use std::os::unix::process::CommandExt;

        let program = std::env::current_exe()?;
        if !is_root() {
            return Self::spawn(&mut Command::new(program), job, file);
        }
        // Other users may be unable to read the folder in which the program was built.
        let copy = folder.join("program");
        std::fs::copy(program, &copy)?;
        Self::spawn(
            Command::new(copy).current_dir(folder).uid(UNPRIVILEGED_USER).gid(UNPRIVILEGED_USER),
            job,
            file,
        )
    }

    fn spawn(command: &mut Command, job: &str, file: &Path) -> std::io::Result<Self> {
        let mut child = command
            .args([&*entry_name(), "--exact", "--nocapture"])
            .env(JOB, job)
            .env(FILE, file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let input = child.stdin.take().unwrap();
        let mut this = Self { child, lines, input };
        assert_eq!(this.hear().as_deref(), Some(BEGUN), "the process does not run the job {job}");
        Ok(this)
    }

    /// The next line of the job; `None` once it has ended.
    pub(crate) fn hear(&mut self) -> Option<String> {
        self.lines.by_ref().map(Result::unwrap).find_map(|line| line.strip_prefix(SAYS).map(str::to_owned))
    }

    /// The number of its process.
    #[cfg(target_os = "linux")]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until the job ends, which must be without an error. Returns its remaining lines.
    pub(crate) fn finish(mut self) -> Vec<String> {
        let said = std::iter::from_fn(|| self.hear()).collect();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "a job failed: {status}; it said {said:?}");
        said
    }

    /// Ends the job as a crash would (SIGKILL). Returns its remaining lines.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        std::iter::from_fn(|| self.hear()).collect()
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // Both fail if the job has ended already, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;

    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

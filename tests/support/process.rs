//! Other processes: this test program itself, told by its environment to do one of the jobs below.

use std::io::{BufRead, BufReader, Lines};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::processes;
use crate::store::bad_files;

const JOB: &str = "FACTUM_TESTED_JOB";
const FILE: &str = "FACTUM_TESTED_FILE";

/// What a job says is told from what the test harness prints by this.
const SAYS: &str = "job says: ";

/// The user `nobody`, who has no privileges.
const NOBODY: u32 = 65534;

/// Runs the job that the environment asks for; as a test of its own it does nothing.
#[test]
fn entry() {
    let Ok(job) = std::env::var(JOB) else { return };
    let path = PathBuf::from(std::env::var_os(FILE).unwrap());
    match &*job {
        "append-any" => processes::append_any(&path),
        "append-exactly" => processes::append_exactly(&path),
        "append-until-killed" => processes::append_until_killed(&path),
        "open-files" => processes::open_files(),
        "open-protected" => bad_files::open_protected(&path),
        other => panic!("no such job: {other}"),
    }
}

/// Tells the parent something.
pub(crate) fn say(text: impl std::fmt::Display) {
    // The harness may have left a line unfinished.
    println!("\n{SAYS}{text}");
}

/// A job that runs in a process of its own; killed when dropped.
pub(crate) struct Job {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub(crate) input: ChildStdin,
}

impl Job {
    pub(crate) fn start(job: &str, file: &Path) -> Self {
        let program = std::env::current_exe().unwrap();
        Self::spawn(&mut Command::new(program), job, file).unwrap()
    }

    /// Starts a job that must not have the privileges of root. `folder` is one that every user may look into.
    pub(crate) fn start_unprivileged(job: &str, file: &Path, folder: &Path) -> std::io::Result<Self> {
        let program = std::env::current_exe()?;
        if !is_root() {
            return Self::spawn(&mut Command::new(program), job, file);
        }
        // Where the program was built may be closed to other users.
        let copy = folder.join("program");
        std::fs::copy(program, &copy)?;
        Self::spawn(Command::new(copy).current_dir(folder).uid(NOBODY).gid(NOBODY), job, file)
    }

    fn spawn(command: &mut Command, job: &str, file: &Path) -> std::io::Result<Self> {
        let mut child = command
            .args(["support::process::entry", "--exact", "--nocapture"])
            .env(JOB, job)
            .env(FILE, file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let input = child.stdin.take().unwrap();
        Ok(Self { child, lines, input })
    }

    /// The next thing that the job says; `None` once it has ended.
    pub(crate) fn hear(&mut self) -> Option<String> {
        self.lines.by_ref().map(Result::unwrap).find_map(|line| line.strip_prefix(SAYS).map(str::to_owned))
    }

    /// Waits until the job is done, which must be without an error; gives what it says until then.
    pub(crate) fn finish(mut self) -> Vec<String> {
        let said = std::iter::from_fn(|| self.hear()).collect();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "a job failed: {status}; it said {said:?}");
        said
    }

    /// Ends the job as a crash would (SIGKILL); gives what it had said until then.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        std::iter::from_fn(|| self.hear()).collect()
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // Both fail if the job has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

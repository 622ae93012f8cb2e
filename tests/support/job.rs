//! Child processes: the test program again, running a job of [`super::process`].

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;

use super::bounded::LONGEST;
use super::kept;

const JOB: &str = "FACTUM_TEST_JOB";
const FILE: &str = "FACTUM_TEST_FILE";

/// Marks a job's lines among those that the test harness prints.
const SAYS: &str = "job says: ";

/// The first line of each job. A process that runs no job does not print it.
const BEGUN: &str = "begun";

/// The test that runs jobs, as the harness knows it.
const ENTRY: &str = "support::process::entry";

/// The id of a user without privileges.
#[cfg(unix)]
const UNPRIVILEGED_USER: u32 = 65534;

/// The job that this process has to run, and its file or folder. Without one, it is not a child.
pub(crate) fn to_run() -> Option<(String, PathBuf)> {
    let job = std::env::var(JOB).ok()?;
    say(BEGUN);
    Some((job, PathBuf::from(std::env::var_os(FILE).unwrap())))
}

/// Sends a line to the parent process.
pub(crate) fn say(text: impl std::fmt::Display) {
    // The harness may have left a line unfinished.
    println!("\n{SAYS}{text}");
}

/// A job in a child process, which is killed on drop.
pub(crate) struct Job {
    child: Child,
    said: Receiver<String>,
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
            .args([ENTRY, "--exact", "--nocapture"])
            .env(JOB, job)
            .env(FILE, file)
            .envs(kept::job_environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let input = child.stdin.take().unwrap();
        let (says, said) = channel();
        // A read of a pipe has no time limit. The thread ends with the child.
        thread::spawn(move || {
            let own =
                lines.map_while(Result::ok).filter_map(|line| line.strip_prefix(SAYS).map(str::to_owned));
            own.map(|line| says.send(line)).all(|sent| sent.is_ok())
        });
        let mut this = Self { child, said, input };
        assert_eq!(this.hear().as_deref(), Some(BEGUN), "the process does not run the job {job}");
        Ok(this)
    }

    /// The next line of the job; `None` once it has ended.
    pub(crate) fn hear(&mut self) -> Option<String> {
        match self.said.recv_timeout(LONGEST) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the job does not say anything"),
        }
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

//! An example as a user runs it: a process with arguments, an exit code, and what it prints.

use std::path::PathBuf;
use std::process::Command;

/// What a run has printed, and how it ended.
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs the example with these arguments, and no more than a newcomer's environment.
pub fn run(example: &str, arguments: &[&str]) -> Run {
    let output = Command::new(binary(example)).args(arguments).output().expect("the example starts");
    Run {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// Cargo builds a package's examples before it runs its tests, one folder up from the tests.
fn binary(example: &str) -> PathBuf {
    let mut path = std::env::current_exe().expect("the test has a file");
    path.pop();
    path.pop();
    path.push("examples");
    path.push(format!("{example}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.is_file(), "{} is missing: run `cargo test -p factum-examples`", path.display());
    path
}

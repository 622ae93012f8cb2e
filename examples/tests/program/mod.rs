//! An example as a user runs it: a process with arguments, an exit code, and what it prints.

use std::path::PathBuf;
use std::process::Command;

/// The output of a run, and its exit code.
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs the example with these arguments.
pub fn run(example: &str, arguments: &[&str]) -> Run {
    let output = Command::new(binary(example)).args(arguments).output().expect("the example starts");
    Run {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// The file of an example. Cargo builds examples before it runs tests, into a folder beside the tests.
pub fn binary(example: &str) -> PathBuf {
    let mut path = std::env::current_exe().expect("the test has a file");
    path.pop();
    path.pop();
    path.push("examples");
    path.push(format!("{example}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.is_file(), "{} is missing: run `cargo test -p factum-examples`", path.display());
    path
}

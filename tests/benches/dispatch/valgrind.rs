//! Runs this program again under a tool that counts instructions.

use std::error::Error;
use std::fs;
use std::process::Command;

/// Fails if valgrind is missing.
pub(crate) fn check() -> Result<(), Box<dyn Error>> {
    match Command::new("valgrind").arg("--version").output() {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err("this needs valgrind: `apt-get install valgrind libc6-dbg`, or the packages of your system"
            .into()),
    }
}

/// The instructions of a run of `count` commands, from the program's start to its end.
pub(crate) fn instructions(arm: &str, count: u32) -> Result<u64, Box<dyn Error>> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let counted = folder.path().join("callgrind.out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--error-exitcode=9"])
        .arg(format!("--callgrind-out-file={}", counted.display()))
        .arg(std::env::current_exe()?)
        .args(["run", arm, &count.to_string()])
        .output()?;
    if !output.status.success() {
        return Err(format!("valgrind: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let counted = fs::read_to_string(&counted)?;
    let total = counted.lines().find_map(|line| line.strip_prefix("totals: "));
    Ok(total.ok_or("callgrind has reported no total")?.trim().parse()?)
}

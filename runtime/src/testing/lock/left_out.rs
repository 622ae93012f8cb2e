//! Whether the files reach other checkouts, and the package that `cargo package` makes.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

/// Fails if git ignores a file in `folder`, or if `cargo package` leaves it out. Without git or cargo, all is well.
pub(super) fn check(folder: &Path) -> Result<(), String> {
    let files: Vec<_> =
        ["events.lock", "events.golden"].into_iter().filter(|file| folder.join(file).exists()).collect();
    // In a folder that git ignores as a whole, no file is missing beside the others.
    let ignored = lines(folder, "git", &["check-ignore", "Cargo.toml", "events.lock", "events.golden"]);
    let ignored = ignored.filter(|ignored| !is_among("Cargo.toml", ignored)).unwrap_or_default();
    if let Some(file) = files.iter().find(|file| is_among(file, &ignored)) {
        return Err(format!(
            "git ignores `{file}` in {}, so that other checkouts would lack it: add `!{file}` to `.gitignore`, and commit \
             the file",
            folder.display()
        ));
    }
    // All files are packaged, but for what the manifest says.
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    if !manifest
        .lines()
        .any(|line| line.trim_start().starts_with("include") || line.trim_start().starts_with("exclude"))
    {
        return Ok(());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let packaged = lines(folder, cargo, &["package", "--list", "--allow-dirty", "--offline", "--quiet"]);
    match packaged.and_then(|packaged| files.into_iter().find(|file| !is_among(file, &packaged))) {
        Some(file) => Err(format!(
            "`cargo package` leaves `{file}` out of the package in {}: see `include` and `exclude` in its `Cargo.toml`",
            folder.display()
        )),
        None => Ok(()),
    }
}

fn is_among(file: &str, files: &[String]) -> bool {
    files.iter().any(|other| other == file)
}

/// The lines that a program prints, if it is there and succeeds.
fn lines(folder: &Path, program: impl Into<OsString>, arguments: &[&str]) -> Option<Vec<String>> {
    let mut command = Command::new(program.into());
    let output = command.args(arguments).current_dir(folder).stdin(Stdio::null()).output().ok()?;
    let text = output.status.success().then(|| String::from_utf8(output.stdout).ok())??;
    Some(text.lines().map(str::to_owned).collect())
}

//! The arms of the comparison, and how their programs are built.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) struct Arm {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The folder of the package, beside this one.
    folder: &'static str,
    /// The first argument of a program that serves two arms.
    mode: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Raw,
    Factum,
    Peer,
}

pub(crate) const ARMS: [Arm; 5] = [
    Arm { name: "raw", kind: Kind::Raw, folder: "ours", mode: Some("raw") },
    Arm { name: "factum", kind: Kind::Factum, folder: "ours", mode: Some("factum") },
    Arm { name: "cqrs-es", kind: Kind::Peer, folder: "cqrs-es", mode: None },
    Arm { name: "evento", kind: Kind::Peer, folder: "evento", mode: None },
    Arm { name: "eventcore", kind: Kind::Peer, folder: "eventcore", mode: None },
];

impl Arm {
    pub(crate) fn index(&self) -> usize {
        ARMS.iter().position(|arm| arm.name == self.name).expect("all arms are in the list")
    }
}

/// An arm with a built program.
pub(crate) struct Program {
    pub(crate) arm: &'static Arm,
    file: PathBuf,
}

impl Program {
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.file);
        command.args(self.arm.mode);
        command
    }
}

pub(crate) fn peers_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in a folder")
}

pub(crate) fn target_folder() -> PathBuf {
    peers_folder().join("target")
}

/// Builds all arms. Arms that cannot be built are reported and left out.
pub(crate) fn build_all(arms: &'static [Arm]) -> Vec<Program> {
    let mut built: Vec<(&str, Result<PathBuf, String>)> = Vec::new();
    for arm in arms {
        if !built.iter().any(|(folder, _)| *folder == arm.folder) {
            eprintln!("building {} ..", arm.folder);
            built.push((arm.folder, build(arm.folder)));
        }
    }
    let file_of = |arm: &Arm| built.iter().find(|(folder, _)| *folder == arm.folder).map(|(_, file)| file);
    arms.iter()
        .filter_map(|arm| match file_of(arm)? {
            Ok(file) => Some(Program { arm, file: file.clone() }),
            Err(problem) => {
                println!("missing: {} ({problem})", arm.name);
                None
            }
        })
        .collect()
}

fn build(folder: &str) -> Result<PathBuf, String> {
    let manifest = peers_folder().join(folder).join("Cargo.toml");
    if !manifest.exists() {
        return Err(format!("there is no {}", manifest.display()));
    }
    let output = cargo()
        .args(["build", "--release", "--locked", "--message-format", "json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(&manifest)
        .arg("--target-dir")
        .arg(target_folder())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo does not start: {error}"))?;
    if !output.status.success() {
        return Err("the build failed".into());
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    executable_in(&messages).ok_or_else(|| "the package has no program".into())
}

/// cargo, as a shell in the peers' folder would run it.
///
/// It is looked up by name, which finds rustup's proxy. The proxy fixes the toolchain in use: otherwise the
/// `rust-toolchain` file that some packages carry would choose another. Variables that `cargo run` sets for
/// this package are removed, or build scripts that read them would run every time.
fn cargo() -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(peers_folder());
    let of_this_package = ["CARGO_PKG_", "CARGO_MANIFEST_"];
    for (name, _) in std::env::vars_os() {
        if of_this_package.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// The path of the program in cargo's messages: each package chooses its program's name.
fn executable_in(messages: &str) -> Option<PathBuf> {
    let (_, rest) = messages.rsplit_once(r#""executable":""#)?;
    let (file, _) = rest.split_once('"')?;
    Some(PathBuf::from(file))
}

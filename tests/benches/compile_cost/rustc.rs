//! Cargo, told to call rustc through a script that notes the time: what cargo itself does is the same for all crates, and
//! is not counted.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::arms::Arm;
use crate::clock::{FORMAT, Time};
use crate::generate::Generated;

/// Stands between cargo and rustc. What rustc says goes on to cargo, which reads it.
const SCRIPT: &str = r#"
if [ -n "$COMPILE_COST_UNSTABLE" ]; then
    export RUSTC_BOOTSTRAP=1
fi
if [ -n "$COMPILE_COST_INSTRUCTIONS" ]; then
    set -- valgrind --tool=cachegrind --cache-sim=no --cachegrind-out-file=/dev/null \
        --log-file="$COMPILE_COST_INSTRUCTIONS" "$@"
fi
{ time "$@" 2>&3; } 3>&2 2>>"$COMPILE_COST_TIMES"
"#;

pub(crate) struct Rustc<'a> {
    generated: &'a Generated,
    /// The compiler itself.
    program: PathBuf,
    script: PathBuf,
    times: PathBuf,
    target: PathBuf,
}

impl<'a> Rustc<'a> {
    pub(crate) fn new(generated: &'a Generated) -> Result<Self, Box<dyn Error>> {
        let root = &generated.root;
        let script = root.join("rustc.sh");
        fs::write(&script, format!("#!/usr/bin/env bash\n{FORMAT}\n{SCRIPT}"))?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        // What is called `rustc` may be rustup, which takes its time to find the one that is meant.
        let sysroot = Command::new("rustc").args(["--print", "sysroot"]).current_dir(root).output()?;
        let program = Path::new(String::from_utf8(sysroot.stdout)?.trim()).join("bin/rustc");
        Ok(Self { generated, program, script, times: root.join("times"), target: root.join("target") })
    }

    /// Dependencies and crates, once in each way: what is timed later is one crate alone. And that the two arms which can
    /// be compared do the same.
    pub(crate) fn prepare(&self, size: usize) -> Result<(), Box<dyn Error>> {
        for arm in Arm::ALL {
            for way in [&["check"][..], &["build"], &["build", "--release"]] {
                self.run(self.cargo(way, &arm.krate(size)))?;
            }
        }
        self.run(self.cargo(&["run"], &format!("same_{size}")))
    }

    /// One crate anew, from nothing but its dependencies.
    pub(crate) fn anew(
        &self,
        way: &[&str],
        arm: Arm,
        size: usize,
        edit: u32,
    ) -> Result<Time, Box<dyn Error>> {
        self.forget(arm, size)?;
        self.again(way, arm, size, edit)
    }

    /// One crate after an edit, with what rustc remembers of the time before.
    pub(crate) fn again(
        &self,
        way: &[&str],
        arm: Arm,
        size: usize,
        edit: u32,
    ) -> Result<Time, Box<dyn Error>> {
        self.generated.edit(arm, size, edit)?;
        // Empty, so that a crate that was not compiled has no time.
        fs::write(&self.times, "")?;
        self.run(self.cargo(way, &arm.krate(size)))?;
        Time::parse(&fs::read_to_string(&self.times)?)
    }

    /// The instructions of `cargo check` of one crate anew.
    pub(crate) fn instructions(&self, arm: Arm, size: usize) -> Result<u64, Box<dyn Error>> {
        let log = self.generated.root.join("instructions");
        self.forget(arm, size)?;
        self.generated.edit(arm, size, 0)?;
        let mut cargo = self.cargo(&["check"], &arm.krate(size));
        cargo.env("COMPILE_COST_INSTRUCTIONS", &log);
        self.run(cargo)?;
        let log = fs::read_to_string(log)?;
        let total = log.lines().find_map(|line| line.split_once("I refs:").or(line.split_once("I   refs:")));
        let (_, total) = total.ok_or("cachegrind has not told its total")?;
        Ok(total.trim().replace(',', "").parse()?)
    }

    /// One crate with options for rustc alone, those that are for nightly as well.
    pub(crate) fn with(
        &self,
        way: &[&str],
        arm: Arm,
        size: usize,
        options: &[OsString],
    ) -> Result<(), Box<dyn Error>> {
        let mut cargo = self.cargo(&[&["rustc"], way].concat(), &arm.krate(size));
        cargo.arg("--").args(options).env("COMPILE_COST_UNSTABLE", "1");
        self.run(cargo)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.generated.root
    }

    /// Takes away what rustc remembers of one crate.
    fn forget(&self, arm: Arm, size: usize) -> Result<(), Box<dyn Error>> {
        let prefix = format!("{}-", arm.krate(size));
        for entry in fs::read_dir(self.target.join("debug/incremental"))? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    fn cargo(&self, way: &[&str], package: &str) -> Command {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .current_dir(&self.generated.root)
            .args(way)
            .args(["--offline", "--quiet", "--package", package])
            .env("CARGO_TARGET_DIR", &self.target)
            .env("RUSTC", &self.program)
            .env("RUSTC_WORKSPACE_WRAPPER", &self.script)
            .env("COMPILE_COST_TIMES", &self.times)
            .stdout(Stdio::null());
        // As anybody's build is, whatever the one that this is part of is told.
        for told in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_INCREMENTAL"] {
            cargo.env_remove(told);
        }
        cargo
    }

    fn run(&self, mut cargo: Command) -> Result<(), Box<dyn Error>> {
        let output = cargo.output()?;
        if output.status.success() {
            return Ok(());
        }
        let arguments = cargo.get_args().collect::<Vec<_>>().join(OsStr::new(" "));
        let told = String::from_utf8_lossy(&output.stderr);
        Err(format!("cargo {} in {}: {told}", arguments.display(), self.folder().display()).into())
    }
}

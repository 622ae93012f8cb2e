//! Calls cargo with a script as rustc, which records the time. cargo's own work is equal for all crates, and
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

/// Runs between cargo and rustc. cargo reads rustc's output from it.
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
        // `rustc` may be rustup's proxy, which takes time to find the compiler.
        let sysroot = Command::new("rustc").args(["--print", "sysroot"]).current_dir(root).output()?;
        let program = Path::new(String::from_utf8(sysroot.stdout)?.trim()).join("bin/rustc");
        Ok(Self { generated, program, script, times: root.join("times"), target: root.join("target") })
    }

    /// Builds dependencies and crates once in each way, so that later times are of one crate alone. Also
    /// checks that the last two arms do the same work.
    pub(crate) fn prepare(&self, size: usize) -> Result<(), Box<dyn Error>> {
        for arm in Arm::ALL {
            for way in [&["check"][..], &["build"], &["build", "--release"]] {
                self.run(self.cargo(way, &arm.krate(size)))?;
            }
        }
        self.run(self.cargo(&["run"], &format!("same_{size}")))
    }

    /// Compiles one crate without earlier results, on built dependencies.
    pub(crate) fn clean(
        &self,
        way: &[&str],
        arm: Arm,
        size: usize,
        edit: u32,
    ) -> Result<Time, Box<dyn Error>> {
        self.forget(arm, size)?;
        self.again(way, arm, size, edit)
    }

    /// Compiles one crate after an edit, with the earlier results.
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

    /// The instructions of `cargo check` of one crate, macros included. It is not checked before.
    pub(crate) fn instructions(&self, arm: Arm, size: usize) -> Result<u64, Box<dyn Error>> {
        let log = self.generated.root.join("instructions");
        let mut cargo = self.cargo(&["check"], &arm.krate(size));
        cargo.env("COMPILE_COST_INSTRUCTIONS", &log).env("CARGO_INCREMENTAL", "0");
        self.run(cargo)?;
        let log = fs::read_to_string(log)?;
        let total = log.lines().find_map(|line| line.split_once("I refs:").or(line.split_once("I   refs:")));
        let (_, total) = total.ok_or("cachegrind has reported no total")?;
        Ok(total.trim().replace(',', "").parse()?)
    }

    /// Compiles one crate with options for rustc, including nightly ones.
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

    /// Removes rustc's incremental results of one crate.
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
        // As in any user's build, whatever flags the current build has.
        for flag in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_INCREMENTAL"] {
            cargo.env_remove(flag);
        }
        cargo
    }

    fn run(&self, mut cargo: Command) -> Result<(), Box<dyn Error>> {
        let output = cargo.output()?;
        if output.status.success() {
            return Ok(());
        }
        let arguments = cargo.get_args().collect::<Vec<_>>().join(OsStr::new(" "));
        let stderr = String::from_utf8_lossy(&output.stderr);
        Err(format!("cargo {} in {}: {stderr}", arguments.display(), self.folder().display()).into())
    }
}

//! What does not change from run to run, or hardly.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::arms::Arm;
use crate::rustc::Rustc;

/// How much there is of one crate.
#[derive(Clone, Copy)]
pub(crate) struct Counts {
    /// Bytes of the crate's text after all macros, as `-Zunpretty=expanded` writes it.
    pub(crate) expanded: u64,
    /// See [`llvm_lines`].
    pub(crate) llvm_debug: u64,
    pub(crate) llvm_release: u64,
    /// Instructions of rustc's for `check`, macros included, if they were counted.
    pub(crate) instructions: Option<u64>,
}

pub(crate) fn count(
    rustc: &Rustc<'_>,
    arm: Arm,
    size: usize,
    instructions: bool,
) -> Result<Counts, Box<dyn Error>> {
    let file = rustc.folder().join(format!("{}.counted", arm.krate(size)));
    let expanded = [OsString::from("-Zunpretty=expanded"), "-o".into(), (&file).into()];
    rustc.with(&["--profile", "check"], arm, size, &expanded)?;
    let expanded = fs::metadata(&file)?.len();
    Ok(Counts {
        expanded,
        llvm_debug: llvm_lines(rustc, &[], arm, size, &file)?,
        llvm_release: llvm_lines(rustc, &["--release"], arm, size, &file)?,
        instructions: instructions.then(|| rustc.instructions(arm, size)).transpose()?,
    })
}

/// Lines of functions' bodies, without their labels, in the text that rustc hands to LLVM, before LLVM does anything: as
/// cargo-llvm-lines counts them. In one unit, without debug information, and with all generic code that this crate makes
/// code of.
fn llvm_lines(
    rustc: &Rustc<'_>,
    profile: &[&str],
    arm: Arm,
    size: usize,
    file: &Path,
) -> Result<u64, Box<dyn Error>> {
    let mut emit = OsString::from("--emit=llvm-ir=");
    emit.push(file);
    let options = ["-Cno-prepopulate-passes", "-Ccodegen-units=1", "-Cdebuginfo=0"];
    let options: Vec<_> = std::iter::once(emit).chain(options.map(OsString::from)).collect();
    rustc.with(profile, arm, size, &options)?;
    let mut inside = false;
    let mut count = 0;
    for line in fs::read_to_string(file)?.lines() {
        if line.starts_with("define ") {
            inside = true;
        } else if line == "}" {
            inside = false;
        } else if inside && line.starts_with("  ") && !line.starts_with("   ") {
            // One that is longer than a line goes on further to the right.
            count += 1;
        }
    }
    Ok(count)
}

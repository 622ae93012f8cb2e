//! Counts that hardly change from run to run.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::arms::Arm;
use crate::rustc::Rustc;

/// The counts of one crate.
#[derive(Clone, Copy)]
pub(crate) struct Counts {
    /// Bytes of the crate's source after macro expansion, as `-Zunpretty=expanded` writes it.
    pub(crate) expanded: u64,
    /// See [`llvm_lines`].
    pub(crate) llvm_debug: u64,
    pub(crate) llvm_release: u64,
}

pub(crate) fn count(rustc: &Rustc<'_>, arm: Arm, size: usize) -> Result<Counts, Box<dyn Error>> {
    let file = rustc.folder().join(format!("{}.counted", arm.krate(size)));
    let expanded = [OsString::from("-Zunpretty=expanded"), "-o".into(), (&file).into()];
    rustc.with(&["--profile", "check"], arm, size, &expanded)?;
    let expanded = fs::metadata(&file)?.len();
    Ok(Counts {
        expanded,
        llvm_debug: llvm_lines(rustc, &[], arm, size, &file)?,
        llvm_release: llvm_lines(rustc, &["--release"], arm, size, &file)?,
    })
}

/// The lines of function bodies, without labels, in the code that rustc hands to LLVM, before LLVM's passes.
/// cargo-llvm-lines counts in this way. rustc uses one unit, no debug information, and includes generic code
/// that this crate instantiates.
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
            // The later lines of a long instruction are indented further.
            count += 1;
        }
    }
    Ok(count)
}

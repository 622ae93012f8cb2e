//! A text file of sorted lines: new lines are added, and existing ones never change.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Whether new lines are written or are an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::testing) enum Mode {
    Write,
    Check,
}

impl Mode {
    /// The mode that the environment variable `CI` asks for.
    pub(in crate::testing) fn of_environment() -> Self {
        let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
        if ci { Self::Check } else { Self::Write }
    }
}

/// Counts the written files, so that each temporary file has a name of its own.
static WRITTEN: AtomicU32 = AtomicU32::new(0);

#[derive(Debug)]
pub(super) struct RecordFile {
    path: PathBuf,
    head: &'static str,
    lines: BTreeSet<String>,
}

impl RecordFile {
    /// Reads the file; a missing file counts as empty.
    pub(super) fn open(path: PathBuf, head: &'static str) -> Result<Self, String> {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(format!("can't read {}: {error}", path.display())),
        };
        // Some editors begin a file with a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let marks = ["<<<<<<<", "|||||||", "=======", ">>>>>>>"];
        let numbers =
            (1..).zip(text.lines()).filter(|(_, line)| marks.iter().any(|mark| line.starts_with(mark)));
        let numbers: Vec<_> = numbers.map(|(number, _)| number.to_string()).collect();
        if !numbers.is_empty() {
            return Err(format!(
                "a merge has left its marks in {}, lines {}: take out these lines, and keep the lines of both sides",
                path.display(),
                numbers.join(", ")
            ));
        }
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Ok(Self { lines: lines.map(str::to_owned).collect(), path, head })
    }

    pub(super) fn lines(&self) -> &BTreeSet<String> {
        &self.lines
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds the lines that the file lacks. Returns what was written, for the user to read.
    pub(super) fn add(&self, lines: &BTreeSet<String>, mode: Mode) -> Result<String, String> {
        let mut new = String::new();
        for line in lines.difference(&self.lines) {
            let _ = writeln!(new, "  + {line}");
        }
        if new.is_empty() {
            return Ok(new);
        }
        if mode == Mode::Check {
            return Err(format!(
                "{} lacks what is new. Run this test without the environment variable `CI`, and commit the lines \
                 that it writes:\n{new}",
                self.path.display()
            ));
        }
        let mut text = format!("{}\n", self.head);
        for line in self.lines.union(lines) {
            text += line;
            text.push('\n');
        }
        write_whole(&self.path, &text)
            .map_err(|error| format!("can't write {}: {error}", self.path.display()))?;
        Ok(format!("`lock!` has written to {}; commit it:\n{new}", self.path.display()))
    }
}

/// Writes a file by a temporary one that is renamed, so that an interrupted test leaves a whole file.
pub(in crate::testing) fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let beside = path.with_extension(format!("new-{}-{number}", std::process::id()));
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, path)
}

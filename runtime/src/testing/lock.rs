//! The lock: files that record the shapes and examples of every event that was ever released.

mod file;
mod golden;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use self::file::{Mode, RecordFile};
use self::golden::Golden;
use crate::domain::aggregate::Aggregate;
use crate::domain::decision::{IntoEvents, list};
use crate::domain::event_schema::FieldShape;
use crate::domain::event_set::EventSet;

/// Checks `events.lock` and `events.golden` beside the crate's `Cargo.toml` and, outside of CI, adds what is
/// new.
///
/// Call the macro in a test, for all aggregates of the crate, each with an example of every event:
///
/// ```no_run
/// # use factum::prelude::*;
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
/// factum::testing::lock! {
///     BankAccount => (
///         AccountOpened { owner: "Alice".into() },
///         MoneyDeposited { cents: 50 },
///         MoneyWithdrawn { cents: 20 },
///     ),
/// }
/// ```
///
/// See [`guide::versions`](crate::guide::versions) for what the files are for, and what to do when the test
/// fails.
#[macro_export]
#[doc(hidden)]
macro_rules! __lock {
    ($($aggregate:ty => $examples:expr),+ $(,)?) => {
        $crate::testing::Lock::of_crate(::std::env!("CARGO_MANIFEST_DIR"))
            $(.aggregate::<$aggregate>($examples))+
            .check()
    };
}

/// What [`lock!`](crate::testing::lock) does, step by step.
#[derive(Debug)]
#[must_use = "nothing is checked before `.check()`"]
pub struct Lock {
    folder: PathBuf,
    mode: Mode,
    /// The lines that `events.lock` should have.
    lines: BTreeSet<String>,
    /// The fields of each event version. Two events of one name would be one event in the file.
    shapes: BTreeMap<(&'static str, u32), Vec<FieldShape>>,
    /// Names that two different events have.
    ambiguous: BTreeSet<&'static str>,
    golden: Vec<Golden>,
}

static TURN: Mutex<()> = Mutex::new(());

impl Lock {
    /// Begins with the crate whose `Cargo.toml` is in `folder`.
    ///
    /// New lines are written, unless the environment variable `CI` is set: then they are an error.
    pub fn of_crate(folder: impl AsRef<Path>) -> Self {
        let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
        let mode = if ci { Mode::Check } else { Mode::Write };
        Self {
            folder: folder.as_ref().to_owned(),
            mode,
            lines: BTreeSet::new(),
            shapes: BTreeMap::new(),
            ambiguous: BTreeSet::new(),
            golden: Vec::new(),
        }
    }

    /// Writes nothing: new lines are an error, as if `CI` were set.
    pub fn check_only(mut self) -> Self {
        self.mode = Mode::Check;
        self
    }

    /// Writes new lines, even if `CI` is set.
    pub fn write_new(mut self) -> Self {
        self.mode = Mode::Write;
        self
    }

    /// Adds the events of the aggregate `A`; `examples` has one event of each kind, in any form that a
    /// handler may return.
    pub fn aggregate<A: Aggregate>(mut self, examples: impl IntoEvents<A>) -> Self {
        for kind in A::Event::KINDS {
            self.lines.insert(format!("aggregate {} event {}", A::CATEGORY, kind.name));
        }
        for kind in A::Event::RETIRED {
            self.lines.insert(format!("aggregate {} retired {}", A::CATEGORY, kind.name));
        }
        for shape in A::Event::shapes() {
            let head = format!("event {} {}", shape.event, shape.version);
            for field in &shape.fields {
                let fingerprint = match field.fingerprint {
                    0 => String::new(),
                    fingerprint => format!(" #{fingerprint:016x}"),
                };
                self.lines.insert(format!("{head} {} {}{fingerprint}", escaped(field.name), field.ty));
            }
            self.lines.insert(head);
            // Several aggregates may list one event, whose shape is then the same.
            let recorded =
                self.shapes.entry((shape.event, shape.version)).or_insert_with(|| shape.fields.clone());
            if *recorded != shape.fields {
                self.ambiguous.insert(shape.event);
            }
        }
        self.golden.push(Golden::new::<A>(&list(examples)));
        self
    }

    /// Compares the events with the files, and writes new lines.
    ///
    /// # Panics
    ///
    /// In these cases, with what is wrong and what to do about it:
    ///
    /// * a recorded event has changed;
    /// * a recorded example can't be read any more;
    /// * an event has no example;
    /// * two different events have one name;
    /// * there are new lines, and nothing may be written.
    #[track_caller]
    pub fn check(self) {
        if let Err(message) = self.try_check() {
            panic!("{message}");
        }
    }

    fn try_check(&self) -> Result<(), String> {
        if let Some(name) = self.ambiguous.first() {
            return Err(format!(
                "two events are called `{name}`, and `events.lock` has one event for each name: rename one of them \
                 before any is stored, or move their aggregates to separate crates"
            ));
        }
        // One test at a time, because two tests of a crate may both add to the files.
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = RecordFile::open(
            self.folder.join("events.lock"),
            "# The shape of every event that was ever released, by version. Written by `factum::testing::lock!`; add \
             it to version control, and do not edit it.",
        )?;
        self.check_recorded(&lock)?;
        let golden = RecordFile::open(
            self.folder.join("events.golden"),
            "# An example of every event that was ever released, as it is stored, by version. Written by \
             `factum::testing::lock!` when a version is new; add it to version control, and do not edit it.",
        )?;
        let mut examples = BTreeSet::new();
        for aggregate in &self.golden {
            aggregate.check(golden.lines())?;
            examples.extend(aggregate.new_lines(golden.lines())?);
        }
        // A field counts as recorded even if its type was renamed, or has a fingerprint now.
        let new = self
            .lines
            .iter()
            .filter(|line| !lock.lines().iter().any(|recorded| is_as_recorded(recorded, line)));
        lock.add(&new.cloned().collect(), self.mode)?;
        golden.add(&examples, self.mode)
    }

    /// Fails if a record of these aggregates and events is no longer true.
    fn check_recorded(&self, lock: &RecordFile) -> Result<(), String> {
        let lost =
            lock.lines().iter().filter(|line| !self.still_holds(line)).map(|line| format!("  - {line}\n"));
        let grown = self.lines.iter().filter(|line| is_new_field_of_old_version(lock, line));
        let differences: String = lost.chain(grown.map(|line| format!("  + {line}\n"))).collect();
        if differences.is_empty() {
            return Ok(());
        }
        Err(format!(
            "events differ from what `events.lock` records. Stored events can't be changed: restore the event as \
             recorded, and declare the change in a new version\n{differences}"
        ))
    }

    /// Whether a recorded line is true of the present events, or about none of them.
    fn still_holds(&self, line: &str) -> bool {
        if self.lines.contains(line) {
            return true;
        }
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("aggregate"), Some(name), Some(list), Some(event)) => {
                // A listed event may have been renamed or retired since; a retired event stays retired. An
                // aggregate that is missing here was renamed, which loses its streams, or was left out of
                // `lock!`.
                self.golden.iter().find(|ours| ours.aggregate == name).is_some_and(|ours| {
                    list == "event" && ours.kinds.iter().any(|kind| kind.names().any(|known| known == event))
                })
            }
            (Some("event"), Some(name), Some(version), field) => {
                let kinds = self.golden.iter().flat_map(|ours| &ours.kinds);
                let mut known = kinds.filter(|kind| kind.names().any(|known| known == name));
                known.all(|kind| {
                    let field = field.map(|field| format!(" {field}")).unwrap_or_default();
                    let now = format!("event {} {version}{field}", kind.name);
                    // The shape of an event that is retired by its name alone is not known any more.
                    kind.version == u32::MAX || self.lines.iter().any(|line| is_as_recorded(&now, line))
                })
            }
            _ => false,
        }
    }
}

/// Whether a line is a field of an event version that is recorded without this field.
fn is_new_field_of_old_version(lock: &RecordFile, line: &str) -> bool {
    let mut words = line.splitn(4, ' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some("event"), Some(name), Some(version), Some(_)) => {
            lock.lines().contains(&format!("event {name} {version}"))
                && !lock.lines().iter().any(|recorded| is_as_recorded(recorded, line))
        }
        _ => false,
    }
}

/// Whether a line says the same as the recorded one.
///
/// A field with a recorded fingerprint is compared by its fingerprint, whatever its type is called. A field
/// without one is compared by the name of its type. The derive compares in the same way.
fn is_as_recorded(recorded: &str, line: &str) -> bool {
    let parts = |line: &str| -> Option<(String, String, Option<String>)> {
        let mut words = line.splitn(5, ' ');
        let head: Vec<_> = words.by_ref().take(4).collect();
        let ty = words.next().filter(|_| head.first() == Some(&"event"))?;
        let (text, fingerprint) =
            ty.rsplit_once(" #").map_or((ty, None), |(text, hex)| (text, Some(hex.to_owned())));
        Some((head.join(" "), text.to_owned(), fingerprint))
    };
    recorded == line
        || parts(recorded).zip(parts(line)).is_some_and(|(recorded, line)| {
            let same_type = if recorded.2.is_some() { recorded.2 == line.2 } else { recorded.1 == line.1 };
            recorded.0 == line.0 && same_type
        })
}

/// Escapes a field's name, which may contain spaces: spaces separate the words of a line.
fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace(' ', "\\s")
}

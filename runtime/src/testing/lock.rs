//! The files that keep the shapes and examples of every event that was ever released.

mod file;
mod golden;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use self::file::{KeptFile, Mode};
use self::golden::Golden;
use crate::aggregate::Aggregate;
use crate::event::EventSet;
use crate::events::{IntoEvents, list};
use crate::shape::FieldShape;

/// Checks, and while you work writes, `events.lock` and `events.golden` beside the crate's `Cargo.toml`.
///
/// In a test, for all aggregates of the crate, each with an example of every event:
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
/// See [`guide::versions`](crate::guide::versions) for what the files are for, and what to do when the test fails.
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
    /// Of each version of an event its fields: two events of one name would be one in the file.
    shapes: BTreeMap<(&'static str, u32), Vec<FieldShape>>,
    /// Names that two events have.
    ambiguous: BTreeSet<&'static str>,
    golden: Vec<Golden>,
}

static TURN: Mutex<()> = Mutex::new(());

impl Lock {
    /// For the crate whose `Cargo.toml` is in `folder`. New lines are written, except where the environment variable
    /// `CI` is set: there, they are an error.
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

    /// Writes nothing, as where `CI` is set.
    pub fn check_only(mut self) -> Self {
        self.mode = Mode::Check;
        self
    }

    /// Writes what is new, also where `CI` is set.
    pub fn write_new(mut self) -> Self {
        self.mode = Mode::Write;
        self
    }

    /// With the events of the aggregate `A`; `examples` has one of each kind, as a handler might return them.
    pub fn aggregate<A: Aggregate>(mut self, examples: impl IntoEvents<A>) -> Self {
        for kind in A::Event::KINDS {
            self.lines.insert(format!("aggregate {} event {}", A::NAME, kind.name));
        }
        for kind in A::Event::RETIRED {
            self.lines.insert(format!("aggregate {} retired {}", A::NAME, kind.name));
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
            // One event may be in several aggregates, and is the same there.
            let recorded =
                self.shapes.entry((shape.event, shape.version)).or_insert_with(|| shape.fields.clone());
            if *recorded != shape.fields {
                self.ambiguous.insert(shape.event);
            }
        }
        self.golden.push(Golden::new::<A>(&list(examples)));
        self
    }

    /// Compares with the files, and writes what is new.
    ///
    /// # Panics
    ///
    /// With what is wrong and what to do about it: if a recorded event has changed, if a stored example can't be read
    /// any more, if an event has no example, or if there is something new where nothing is to be written.
    #[track_caller]
    pub fn check(self) {
        if let Err(message) = self.try_check() {
            panic!("{message}");
        }
    }

    fn try_check(&self) -> Result<(), String> {
        if let Some(name) = self.ambiguous.first() {
            return Err(format!(
                "two events are called `{name}`: in `events.lock`, and so in a crate that has one, the name of an event \
                 stands for one event; call one of them otherwise before anything is stored, or keep their aggregates in \
                 crates of their own"
            ));
        }
        // One after the other: two tests of a crate may both add to the files.
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = KeptFile::open(
            self.folder.join("events.lock"),
            "# The shape of every event that was ever released, by version. Written by `factum::testing::lock!`; add \
             it to version control, and do not edit it.",
        )?;
        self.check_recorded(&lock)?;
        let golden = KeptFile::open(
            self.folder.join("events.golden"),
            "# An example of every event that was ever released, as it is stored, by version. Written by \
             `factum::testing::lock!` when a version is new; add it to version control, and do not edit it.",
        )?;
        let mut examples = BTreeSet::new();
        for aggregate in &self.golden {
            aggregate.check(golden.lines())?;
            examples.extend(aggregate.new_lines(golden.lines())?);
        }
        // A type that has another name by now, or a fingerprint, is still what is recorded.
        let new = self
            .lines
            .iter()
            .filter(|line| !lock.lines().iter().any(|recorded| is_as_recorded(recorded, line)));
        lock.add(&new.cloned().collect(), self.mode)?;
        golden.add(&examples, self.mode)
    }

    /// Nothing that was recorded of these aggregates and events is otherwise now.
    fn check_recorded(&self, lock: &KeptFile) -> Result<(), String> {
        let lost =
            lock.lines().iter().filter(|line| !self.still_holds(line)).map(|line| format!("  - {line}\n"));
        let grown = self.lines.iter().filter(|line| is_new_field_of_old_version(lock, line));
        let differences: String = lost.chain(grown.map(|line| format!("  + {line}\n"))).collect();
        if differences.is_empty() {
            return Ok(());
        }
        Err(format!(
            "events are not what `events.lock` says that they were. What is stored can't be changed: bring the event \
             back as it was, and give it a new version with what has changed\n{differences}"
        ))
    }

    /// Whether a recorded line is true of the events as they are now, or none of our business.
    fn still_holds(&self, line: &str) -> bool {
        if self.lines.contains(line) {
            return true;
        }
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("aggregate"), Some(name), Some(list), Some(event)) => {
                // What was listed may have another name by now, or be retired; what was retired stays so. An aggregate
                // that is not here has got another name, and its streams are lost; or it was left out of `lock!`.
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
                    // Of an event that is retired by its name alone, nothing is known any more.
                    kind.version == u32::MAX || self.lines.iter().any(|line| is_as_recorded(&now, line))
                })
            }
            _ => false,
        }
    }
}

/// A field of a version that is recorded without it.
fn is_new_field_of_old_version(lock: &KeptFile, line: &str) -> bool {
    let mut words = line.splitn(4, ' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some("event"), Some(name), Some(version), Some(_)) => {
            lock.lines().contains(&format!("event {name} {version}"))
                && !lock.lines().iter().any(|recorded| is_as_recorded(recorded, line))
        }
        _ => false,
    }
}

/// Whether a line says the same as the recorded one: of a field with a recorded fingerprint, that counts and not what
/// its type is called; of one without, what it is called. As the derive has it.
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

/// A name in JSON may have white space in it; a line is divided by spaces.
fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace(' ', "\\s")
}

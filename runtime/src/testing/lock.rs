//! The lock: files that record the shapes and examples of every event that was ever released.

mod file;
mod golden;
mod left_out;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use self::file::RecordFile;
pub(super) use self::file::{Mode, write_whole};
use self::golden::Golden;
use crate::application::timers::HasTimers;
use crate::domain::aggregate::Aggregate;
use crate::domain::decision::{IntoEvents, list};
use crate::domain::event_schema::{FieldShape, Shape};
use crate::domain::event_set::EventSet;
use crate::domain::hash::{FNV_OFFSET, hashed};
use crate::follow::process::Process;

/// Checks `events.lock` and `events.golden` beside the crate's `Cargo.toml` and, outside of CI, adds what is
/// new.
///
/// Events that another crate of the workspace defines are recorded in that crate's `events.lock`.
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
    // Event by event: a list of any length, and an error about an event is at that event.
    ($($aggregate:ty => ($($example:expr),* $(,)?)),+ $(,)?) => {
        $crate::testing::Lock::of_crate(::std::env!("CARGO_MANIFEST_DIR"))
            .events_where_defined()
            $(.listed::<$aggregate>(::std::vec![
                $($crate::testing::Lock::examples::<$aggregate>($example)),*
            ]))+
            .check()
    };
    ($($aggregate:ty),* $(,)?) => {
        ::core::compile_error!(
            "write each aggregate with an example of every event: `BankAccount => (AccountOpened { owner: .. }, ..)`"
        )
    };
    ($($aggregate:ty => $examples:expr),+ $(,)?) => {
        $crate::testing::Lock::of_crate(::std::env!("CARGO_MANIFEST_DIR"))
            .events_where_defined()
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
    /// Whether events of other packages are recorded there.
    where_defined: bool,
    /// The lines that should be recorded, each with the folder of the package that defines the event.
    lines: BTreeMap<String, Option<&'static str>>,
    /// The fields of each event version. Two events of one name would be one event in the file.
    shapes: BTreeMap<(&'static str, u32), Vec<FieldShape>>,
    /// Names that two different events have.
    ambiguous: BTreeSet<&'static str>,
    golden: Vec<Golden>,
}

static TURN: Mutex<()> = Mutex::new(());

impl Lock {
    /// Begins with the crate whose `Cargo.toml` is in `folder`. All is recorded there.
    ///
    /// New lines are written, unless the environment variable `CI` is set: then they are an error.
    pub fn of_crate(folder: impl AsRef<Path>) -> Self {
        Self {
            folder: folder.as_ref().to_owned(),
            mode: Mode::of_environment(),
            where_defined: false,
            lines: BTreeMap::new(),
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

    /// Records each event in the crate that defines it, as [`lock!`](crate::testing::lock) does.
    ///
    /// The events of a crate that cargo has downloaded or vendored are recorded in the folder given to
    /// [`of_crate`](Self::of_crate).
    pub fn events_where_defined(mut self) -> Self {
        self.where_defined = true;
        self
    }

    /// Adds the events of the aggregate `A`; `examples` has one event of each kind, in any form that a
    /// handler may return.
    pub fn aggregate<A: Aggregate>(self, examples: impl IntoEvents<A>) -> Self {
        self.with_events::<A>(&list(examples))
    }

    fn with_events<A: Aggregate>(mut self, examples: &[A::Event]) -> Self {
        for kind in A::Event::KINDS {
            self.lines.insert(format!("aggregate {} event {}", A::CATEGORY, kind.name), None);
        }
        for kind in A::Event::RETIRED {
            self.lines.insert(format!("aggregate {} retired {}", A::CATEGORY, kind.name), None);
        }
        self.record(A::Event::shapes());
        self.golden.push(Golden::new::<A>(examples));
        self
    }

    /// Adds what the process `P` stores: its time-outs, and those of its commands that derive `Event` for the sake of their
    /// versions. They have no examples.
    pub fn process<P: Process>(mut self) -> Self {
        let mut shapes = Vec::new();
        P::shapes(&mut shapes);
        self.record(shapes);
        self
    }

    /// Adds what the timers of the application `A` store: those of its commands that derive `Event` for the sake of their
    /// versions. They have no examples.
    pub fn timers<A: HasTimers>(mut self) -> Self {
        let mut shapes = Vec::new();
        for command in A::SCHEDULED {
            (command.shapes)(&mut shapes);
        }
        self.record(shapes);
        self
    }

    fn record(&mut self, shapes: Vec<Shape>) {
        for shape in shapes {
            let head = format!("event {} {}", shape.event, shape.version);
            let fields: BTreeSet<_> = shape.fields.iter().map(field_text).collect();
            let hash = fields.iter().fold(FNV_OFFSET, |hash, field| hashed(hash, field));
            self.lines.insert(format!("{head} #{hash:016x}"), shape.folder);
            self.lines.extend(fields.iter().map(|field| (format!("{head} {field}"), shape.folder)));
            // Several aggregates may list one event, whose shape is then the same.
            let recorded =
                self.shapes.entry((shape.event, shape.version)).or_insert_with(|| shape.fields.clone());
            if *recorded != shape.fields {
                self.ambiguous.insert(shape.event);
            }
        }
    }

    /// The events of one entry of a list in [`lock!`](crate::testing::lock).
    #[doc(hidden)]
    pub fn examples<A: Aggregate>(examples: impl IntoEvents<A>) -> Vec<A::Event> {
        list(examples)
    }

    /// [`aggregate`](Self::aggregate) with the events of each entry.
    #[doc(hidden)]
    pub fn listed<A: Aggregate>(self, examples: Vec<Vec<A::Event>>) -> Self {
        self.with_events::<A>(&examples.into_iter().flatten().collect::<Vec<_>>())
    }

    /// Compares the events with the files, and writes new lines. Standard error gets what was written.
    ///
    /// # Panics
    ///
    /// In these cases, with what is wrong and what to do about it:
    ///
    /// * a recorded event has changed;
    /// * a recorded example can't be read any more, or its version is no longer recorded;
    /// * an event has no example;
    /// * two different events, or two aggregates, have one name;
    /// * there are new lines, and nothing may be written;
    /// * git ignores a file, or `cargo package` leaves it out.
    #[track_caller]
    pub fn check(self) {
        match self.try_check() {
            // Not `eprint!`, whose text a test that passes does not show.
            Ok(written) => drop(std::io::stderr().write_all(written.as_bytes())),
            Err(message) => panic!("{message}"),
        }
    }

    fn try_check(&self) -> Result<String, String> {
        self.check_names()?;
        // One test at a time, because two tests of a crate may both add to the files.
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut locks = BTreeMap::from([(&*self.folder, BTreeSet::new())]);
        for (line, defined_in) in &self.lines {
            locks.entry(self.recorded_in(*defined_in)).or_default().insert(line.as_str());
        }
        // Tests of several crates, each in a process of its own, may add to one file. Not every system can lock a folder.
        let turns =
            locks.keys().map(|folder| File::open(folder).and_then(|folder| folder.lock().map(|()| folder)));
        let _turns: Vec<_> = turns.collect();
        let mut files = Vec::new();
        for (folder, lines) in locks {
            let lock = RecordFile::open(
                folder.join("events.lock"),
                "# The shape of every event that was ever released, by version. Written by `factum::testing::lock!`; add \
                 it to version control, and do not edit it.",
            )?;
            self.check_recorded(&lock, &lines, folder == self.folder)?;
            files.push((folder, lock, lines));
        }
        let golden = RecordFile::open(
            self.folder.join("events.golden"),
            "# An example of every event that was ever released, as it is stored, by version. Written by \
             `factum::testing::lock!` when a version is new; add it to version control, and do not edit it.",
        )?;
        let mut examples = BTreeSet::new();
        for aggregate in &self.golden {
            let is_recorded = |name: &str, version: u32| {
                let head = format!("event {name} {version}");
                files
                    .iter()
                    .any(|(_, lock, _)| lock.lines().iter().any(|line| head_and_field(line).0 == head))
            };
            aggregate.check(
                golden.lines(),
                |name| self.shapes.keys().any(|(event, _)| *event == name),
                is_recorded,
            )?;
            examples.extend(aggregate.new_lines(golden.lines())?);
        }
        let mut written = String::new();
        for (_, lock, lines) in &files {
            // A field counts as recorded even if its type was renamed, or has a fingerprint now.
            let new = lines
                .iter()
                .filter(|line| !lock.lines().iter().any(|recorded| is_as_recorded(recorded, line)));
            written += &lock.add(&new.map(|line| (*line).to_owned()).collect(), self.mode)?;
        }
        written += &golden.add(&examples, self.mode)?;
        for (folder, ..) in &files {
            left_out::check(folder)?;
        }
        Ok(written)
    }

    fn check_names(&self) -> Result<(), String> {
        if let Some(name) = self.ambiguous.first() {
            return Err(format!(
                "two events are called `{name}`, and `events.lock` has one event for each name: rename one of them \
                 before any is stored, or move their aggregates to separate crates"
            ));
        }
        let mut aggregates = BTreeMap::new();
        for Golden { aggregate, type_name, .. } in &self.golden {
            let first = *aggregates.entry(aggregate).or_insert(type_name);
            if first != type_name {
                return Err(format!(
                    "two aggregates are called `{aggregate}`, {first} and {type_name}: their streams would be the same; \
                     give one of them another name with `#[aggregate(name = \"..\")]` before anything is stored"
                ));
            }
        }
        Ok(())
    }

    /// The folder of the file that records an event, by the folder of the package that defines it.
    fn recorded_in(&self, defined_in: Option<&'static str>) -> &Path {
        match defined_in.map(Path::new) {
            Some(folder) if self.where_defined && is_ours(folder) => folder,
            _ => &self.folder,
        }
    }

    /// Fails if a record of these aggregates and events is no longer true. `lines` are those that the file should have.
    fn check_recorded(&self, lock: &RecordFile, lines: &BTreeSet<&str>, is_own: bool) -> Result<(), String> {
        let lost = lock.lines().iter().filter(|line| !self.still_holds(line, lines, is_own));
        let lost = lost.map(|line| format!("  - {line}\n"));
        // The events of other crates were recorded in the own file once.
        let lines: Vec<_> = if is_own {
            self.lines.keys().map(String::as_str).collect()
        } else {
            lines.iter().copied().collect()
        };
        let grown = lines.into_iter().filter(|line| is_new_field_of_old_version(lock, line));
        let differences: String = lost.chain(grown.map(|line| format!("  + {line}\n"))).collect();
        if differences.is_empty() {
            return Ok(());
        }
        Err(format!(
            "events differ from what {} records. Stored events can't be changed: restore the event as recorded, and \
             declare the change in a new version\n{differences}",
            lock.path().display()
        ))
    }

    /// Whether a recorded line is true of the present events, or about none of those whose file it is in.
    fn still_holds(&self, line: &str, lines: &BTreeSet<&str>, is_own: bool) -> bool {
        if self.lines.contains_key(line) {
            return true;
        }
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("aggregate"), ..) if !is_own => true,
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
                let is_here = |event: &str| {
                    let event = format!("event {event} ");
                    is_own || lines.iter().any(|line| line.starts_with(&event))
                };
                let mut known =
                    kinds.filter(|kind| kind.names().any(|known| known == name) && is_here(kind.name));
                known.all(|kind| {
                    let field = field.map(|field| format!(" {field}")).unwrap_or_default();
                    let now = format!("event {} {version}{field}", kind.name);
                    // The shape of an event that is retired by its name alone is not known any more.
                    kind.version == u32::MAX || self.lines.keys().any(|line| is_as_recorded(&now, line))
                })
            }
            _ => false,
        }
    }
}

/// Whether a package's files may be written: cargo has not made the folder.
fn is_ours(folder: &Path) -> bool {
    let mut above = folder.ancestors();
    folder.join("Cargo.toml").is_file()
        && !above
            .any(|above| [".cargo-ok", ".cargo-checksum.json"].iter().any(|mark| above.join(mark).exists()))
}

/// Whether a line is a field of an event version that is recorded without this field.
fn is_new_field_of_old_version(lock: &RecordFile, line: &str) -> bool {
    let (head, field) = head_and_field(line);
    field.is_some()
        && lock.lines().iter().any(|recorded| head_and_field(recorded) == (head, None))
        && !lock.lines().iter().any(|recorded| is_as_recorded(recorded, line))
}

/// Whether a line says the same as the recorded one.
///
/// A field with a recorded fingerprint is compared by its fingerprint, whatever its type is called. A field
/// without one is compared by the name of its type. The derive compares in the same way.
fn is_as_recorded(recorded: &str, line: &str) -> bool {
    let ((recorded_head, recorded), (head, field)) = (head_and_field(recorded), head_and_field(line));
    let is_same = match (recorded, field) {
        (Some(recorded), Some(field)) => match recorded.rsplit_once(" #").zip(field.rsplit_once(" #")) {
            Some(((recorded, then), (field, now))) => {
                then == now && recorded.split(' ').next() == field.split(' ').next()
            }
            None => recorded == field.rsplit_once(" #").map_or(field, |(field, _)| field),
        },
        (recorded, field) => recorded == field,
    };
    recorded_head == head && is_same
}

/// A line about an event as `event <event> <version>` and the field that it adds, if it does. Another line is all head.
fn head_and_field(line: &str) -> (&str, Option<&str>) {
    let Some((at, _)) = line.match_indices(' ').nth(2).filter(|_| line.starts_with("event ")) else {
        return (line, None);
    };
    let (head, field) = line.split_at(at);
    let field = field.trim_start();
    // The hash of all fields says nothing that the fields don't.
    let is_hash = field.starts_with('#') && !field.contains(' ');
    (head, (!is_hash).then_some(field))
}

/// A field as the file has it. The name may contain spaces, which separate the words of a line.
fn field_text(field: &FieldShape) -> String {
    let name = field.name.replace('\\', "\\\\").replace(' ', "\\s");
    match field.fingerprint {
        0 => format!("{name} {}", field.ty),
        fingerprint => format!("{name} {} #{fingerprint:016x}", field.ty),
    }
}

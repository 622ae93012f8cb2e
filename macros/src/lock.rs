//! The file `events.lock` beside the `Cargo.toml` of the crate that is being compiled: the shape of every event ever
//! released.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use syn::Ident;

use crate::errors::Errors;

/// The content of the file.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Lock {
    /// For each event and version, its fields by name.
    pub(crate) events: BTreeMap<String, BTreeMap<u32, BTreeMap<String, LockedType>>>,
    /// For each aggregate, the events that it lists and those that it has retired.
    pub(crate) aggregates: BTreeMap<String, LockedAggregate>,
}

/// The type of a field: its text, and the fingerprint of its own shape; 0 if it has none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LockedType {
    pub(crate) text: String,
    pub(crate) fingerprint: u64,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct LockedAggregate {
    pub(crate) events: BTreeSet<String>,
    pub(crate) retired: BTreeSet<String>,
}

/// The file of the crate that is being compiled.
pub(crate) struct LockFile {
    pub(crate) path: PathBuf,
    pub(crate) lock: Rc<Lock>,
}

/// The file of the crate that is being compiled, if it has one. An error in the file is reported at `item`.
pub(crate) fn of_this_crate(item: &Ident, errors: &mut Errors) -> Option<LockFile> {
    let path = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR")?).join("events.lock");
    let modified = std::fs::metadata(&path).ok()?.modified().ok();
    match read(&path, modified) {
        Ok(lock) => Some(LockFile { path, lock }),
        Err(message) => {
            errors.at(item, message);
            None
        }
    }
}

type Known = Option<(PathBuf, Option<SystemTime>, Rc<Lock>)>;

thread_local! {
    /// The content at the last reading: a crate has one file, and many events. It is read again when it was modified,
    /// since an editor's macro server lives on.
    static KNOWN: RefCell<Known> = const { RefCell::new(None) };
}

fn read(path: &Path, modified: Option<SystemTime>) -> Result<Rc<Lock>, String> {
    let known = KNOWN.with_borrow(|known| match known {
        Some((of, then, lock)) if of == path && *then == modified && then.is_some() => Some(Rc::clone(lock)),
        _ => None,
    });
    if let Some(lock) = known {
        return Ok(lock);
    }
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("can't read {}: {error}", path.display()))?;
    let lock = Rc::new(Lock::parse(&text)?);
    KNOWN.with_borrow_mut(|known| *known = Some((path.to_owned(), modified, Rc::clone(&lock))));
    Ok(lock)
}

impl Lock {
    /// Reads the lines of a lock:
    ///
    /// ```text
    /// aggregate <name> event <event>
    /// aggregate <name> retired <event>
    /// event <event> <version>
    /// event <event> <version> <field> <type>[ #<fingerprint>]
    /// ```
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut lock = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            lock.add(line).ok_or_else(|| {
                format!(
                    "events.lock, line {number}, is not understood: `{line}`; the file is written by \
                     `factum::testing::lock!` and not edited by hand: bring back what was committed"
                )
            })?;
        }
        Ok(lock)
    }

    fn add(&mut self, line: &str) -> Option<()> {
        let (kind, rest) = line.split_once(' ')?;
        let (name, rest) = rest.split_once(' ')?;
        match kind {
            "aggregate" => {
                let (list, event) = rest.split_once(' ')?;
                let aggregate = self.aggregates.entry(name.to_owned()).or_default();
                let list = match list {
                    "event" => &mut aggregate.events,
                    "retired" => &mut aggregate.retired,
                    _ => return None,
                };
                list.insert(event.to_owned());
            }
            "event" => {
                let (version, field) = rest.split_once(' ').unwrap_or((rest, ""));
                let versions = self.events.entry(name.to_owned()).or_default();
                let fields = versions.entry(version.parse().ok()?).or_default();
                if !field.is_empty() {
                    let (field, ty) = field.split_once(' ')?;
                    let (text, fingerprint) = match ty.rsplit_once(" #") {
                        Some((text, hex)) => (text, u64::from_str_radix(hex, 16).ok()?),
                        None => (ty, 0),
                    };
                    let ty = LockedType { text: text.to_owned(), fingerprint };
                    // Two merged branches may each have recorded another type.
                    if fields.insert(unescaped(field), ty.clone()).is_some_and(|other| other != ty) {
                        return None;
                    }
                }
            }
            _ => return None,
        }
        Some(())
    }
}

/// The name in JSON of a field in the file, where `\s` is white space and `\\` a backslash.
fn unescaped(field: &str) -> String {
    let mut chars = field.chars();
    let mut name = String::new();
    while let Some(char) = chars.next() {
        match char {
            '\\' => name.push(if chars.next() == Some('s') { ' ' } else { '\\' }),
            char => name.push(char),
        }
    }
    name
}

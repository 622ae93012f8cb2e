//! The file `events.lock` beside the `Cargo.toml` of the crate that is being compiled: the shape of every event ever
//! released.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
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

/// The file of the crate that is being compiled, if it has one. An error in the file is reported once, at the first `item`.
pub(crate) fn of_this_crate(item: &Ident, errors: &mut Errors) -> Option<LockFile> {
    let path = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR")?).join("events.lock");
    let modified = std::fs::metadata(&path).ok().and_then(|metadata| metadata.modified().ok());
    let known = KNOWN.with_borrow(|known| match known {
        Some((of, then, lock)) if *of == path && *then == modified => Some(lock.clone()),
        _ => None,
    });
    let lock = known.unwrap_or_else(|| {
        let lock = read(&path).unwrap_or_else(|message| {
            errors.at(item, message);
            None
        });
        KNOWN.with_borrow_mut(|known| *known = Some((path.clone(), modified, lock.clone())));
        lock
    });
    Some(LockFile { path, lock: lock? })
}

type Known = Option<(PathBuf, Option<SystemTime>, Option<Rc<Lock>>)>;

thread_local! {
    /// The content at the last reading, if it had no error: a crate has one file, and many events. It is read again when
    /// it was modified, since an editor's macro server lives on.
    static KNOWN: RefCell<Known> = const { RefCell::new(None) };
}

fn read(path: &Path) -> Result<Option<Rc<Lock>>, String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Lock::parse(&text).map(|lock| Some(Rc::new(lock))),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // `lock!` writes both files.
            if path.with_extension("golden").exists() {
                return Err(format!(
                    "{} is missing, and `events.golden` is beside it: bring the file back from version control, and see \
                     that no `.gitignore` has it; if no event was ever stored, delete `events.golden` too",
                    path.display()
                ));
            }
            Ok(None)
        }
        Err(error) => Err(format!("can't read {}: {error}", path.display())),
    }
}

impl Lock {
    /// Reads the lines of a lock:
    ///
    /// ```text
    /// aggregate <name> event <event>
    /// aggregate <name> retired <event>
    /// event <event> <version>[ #<hash of its fields>]
    /// event <event> <version> <field> <type>[ #<fingerprint>]
    /// ```
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        // Some editors begin a file with a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = || (1..).zip(text.lines().map(str::trim));
        let marks: Vec<_> = lines().filter(|(_, line)| is_merge_mark(line)).collect();
        if !marks.is_empty() {
            return Err(format!(
                "a merge has left its marks in events.lock, {}: take out these lines, and keep the lines of both sides",
                numbered(marks.iter().map(|(number, _)| *number))
            ));
        }
        let (mut lock, mut seen, mut repeated) = (Self::default(), BTreeSet::new(), Vec::new());
        let mut versions = RecordedVersions::new();
        for (number, line) in lines().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            if !seen.insert(line) {
                repeated.push(number);
                continue;
            }
            lock.add(number, line, &mut versions).ok_or_else(|| {
                format!(
                    "events.lock, line {number}, is not understood: `{line}`; the file is written by \
                     `factum::testing::lock!` and not edited by hand: bring back what was committed"
                )
            })?;
        }
        if !repeated.is_empty() {
            return Err(format!(
                "events.lock repeats earlier lines in {}: take them out",
                numbered(repeated.into_iter())
            ));
        }
        for ((event, version), recorded) in versions {
            recorded.check(event, version)?;
        }
        Ok(lock)
    }

    fn add<'l>(&mut self, number: usize, line: &'l str, recorded: &mut RecordedVersions<'l>) -> Option<()> {
        let mut words = line.splitn(4, ' ');
        let (kind, name, third, rest) = (words.next()?, words.next()?, words.next()?, words.next());
        match (kind, third, rest) {
            _ if name.is_empty() => return None,
            ("aggregate", list, Some(event)) if is_word(event) => {
                let aggregate = self.aggregates.entry(name.to_owned()).or_default();
                let list = match list {
                    "event" => &mut aggregate.events,
                    "retired" => &mut aggregate.retired,
                    _ => return None,
                };
                list.insert(event.to_owned());
            }
            ("event", version, rest) => {
                let version = version.parse().ok().filter(|version| *version > 0)?;
                let versions = self.events.entry(name.to_owned()).or_default();
                let fields = versions.entry(version).or_default();
                if let Some((field, ty)) = rest.and_then(|rest| rest.split_once(' ')) {
                    let (text, fingerprint) = match ty.rsplit_once(" #") {
                        Some((text, hex)) => (text, hash(hex)?),
                        None => (ty, 0),
                    };
                    if field.is_empty() || text.starts_with(' ') {
                        return None;
                    }
                    fields.insert(unescaped(field), LockedType { text: text.to_owned(), fingerprint });
                } else if let Some(rest) = rest {
                    hash(rest.strip_prefix('#')?)?;
                }
                recorded.entry((name, version)).or_default().add(number, rest.unwrap_or_default());
            }
            _ => return None,
        }
        Some(())
    }
}

/// The lines of a file, by event and version.
type RecordedVersions<'l> = BTreeMap<(&'l str, u32), RecordedVersion<'l>>;

/// The lines about one version of an event, each with its number.
#[derive(Default)]
struct RecordedVersion<'l> {
    /// The line that says that there is this version: the hash of its fields, if it has one.
    heads: Vec<(usize, &'l str)>,
    /// Each field with its type.
    fields: BTreeSet<(&'l str, usize)>,
}

impl<'l> RecordedVersion<'l> {
    fn add(&mut self, number: usize, rest: &'l str) {
        if rest.contains(' ') {
            self.fields.insert((rest, number));
        } else {
            self.heads.push((number, rest));
        }
    }

    /// Fails if two branches have each recorded this version, or if its lines are not those that were recorded.
    fn check(&self, event: &str, version: u32) -> Result<(), String> {
        let next = u64::from(version) + 1;
        if let Some(twice) = self.recorded_twice() {
            return Err(format!(
                "`{event}` version {version} is recorded in events.lock {twice}, by two branches: one of them has to be \
                 version {next}. Take out what one branch has recorded of it, here and in `events.golden`, and \
                 declare what that branch has changed since version {next}"
            ));
        }
        let now = self.fields.iter().fold(FNV_OFFSET, |hash, (field, _)| hashed(hash, field));
        match self.heads.first().and_then(|(number, head)| Some((number, hash(head.strip_prefix('#')?)?))) {
            Some((number, then)) if then != now => Err(format!(
                "events.lock, line {number}: the fields of `{event}` version {version} are not those that \
                 `factum::testing::lock!` has recorded: bring back what was committed"
            )),
            _ => Ok(()),
        }
    }

    /// Two lines that can't both be true: of one field, or of all fields.
    fn recorded_twice(&self) -> Option<String> {
        let fields =
            || self.fields.iter().filter_map(|(field, number)| Some((field.split_once(' ')?, number)));
        let twice =
            fields().zip(fields().skip(1)).find_map(|(((field, one), first), ((next, other), second))| {
                let without_hash = |ty: &'l str| ty.rsplit_once(" #").map_or(ty, |(text, _)| text);
                let [one, other] = match [one, other].map(without_hash) {
                    [text, same] if text == same => [one, other],
                    texts => texts,
                };
                (field == next).then(|| {
                    format!(
                        "with `{field}: {one}` (line {first}) and with `{field}: {other}` (line {second})"
                    )
                })
            });
        twice.or_else(|| match &self.heads[..] {
            [(first, _), (second, _), ..] => Some(format!("twice (lines {first} and {second})")),
            _ => None,
        })
    }
}

/// Whether git has written the line, where two branches meet.
fn is_merge_mark(line: &str) -> bool {
    ["<<<<<<<", "|||||||", "=======", ">>>>>>>"].iter().any(|mark| line.starts_with(mark))
}

/// Numbers of lines, as a message says them.
fn numbered(numbers: impl Iterator<Item = usize>) -> String {
    let mut numbers: Vec<_> = numbers.map(|number| number.to_string()).collect();
    match (numbers.pop(), numbers.is_empty()) {
        (Some(last), false) => format!("lines {} and {last}", numbers.join(", ")),
        (last, _) => format!("line {}", last.unwrap_or_default()),
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(' ')
}

/// 16 hexadecimal digits.
fn hash(digits: &str) -> Option<u64> {
    (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok())?
}

pub(crate) const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// The hash that `lock!` writes; see `domain/hash.rs` of `factum`.
pub(crate) fn hashed(hash: u64, text: &str) -> u64 {
    let bytes = text.bytes().chain([0xff]);
    bytes.fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edited_file_is_reported() {
        for line in [
            "event",
            "event opened",
            "event opened one",
            "event opened 0",
            "event opened 1 field",
            "event opened 1 #12",
            "event  opened 1",
            "event opened  1",
            "event opened 1  field u8",
            "event opened 1 field  u8",
            "room opened 1",
            "event a 1 b c #x",
            "aggregate a event  b",
            "aggregate a event",
            "aggregate a shows b",
        ] {
            let message = Lock::parse(&format!("# head\n{line}\n")).expect_err(line);
            assert!(message.starts_with("events.lock, line 2, is not understood: `"), "{message}");
        }
        let lock = Lock::parse("\u{feff}# head\r\nevent a 1 b\\\\s\\sc u8\r\n").expect("a lock");
        assert!(lock.events["a"][&1].contains_key("b\\s c"));
        let message = Lock::parse("event a 1\nevent b 1\nevent a 1\nevent b 1\n").expect_err("lines twice");
        assert_eq!(message, "events.lock repeats earlier lines in lines 3 and 4: take them out");
    }

    #[test]
    fn the_fields_of_a_version_are_those_that_were_recorded() {
        // `lock!` has written these lines; see `tests/versions/lock.rs`.
        const LINES: &str = "event opened 1 #c871ff925db9c70a\nevent opened 1 by Person #00000000000000ff\nevent opened 1 owner String\n";
        assert_eq!(Lock::parse(LINES).map(drop), Ok(()));
        for (line, edited) in
            [("event opened 1 owner String\n", ""), (" #00000000000000ff", ""), ("owner", "holder")]
        {
            assert!(LINES.contains(line));
            let message = Lock::parse(&LINES.replace(line, edited)).expect_err(line);
            assert_eq!(
                message,
                "events.lock, line 1: the fields of `opened` version 1 are not those that `factum::testing::lock!` has \
                 recorded: bring back what was committed"
            );
        }
    }

    #[test]
    fn what_two_branches_recorded_is_reported() {
        let twice = |lines: &str| Lock::parse(lines).expect_err(lines);
        let way_out = ", by two branches: one of them has to be version 3. Take out what one branch has recorded of it, \
                       here and in `events.golden`, and declare what that branch has changed since version 3";
        assert_eq!(
            twice("event a 2\nevent a 2 owner u16\nevent a 2 owner u8\n"),
            format!(
                "`a` version 2 is recorded in events.lock with `owner: u16` (line 2) and with `owner: u8` (line 3){way_out}"
            )
        );
        // One of them has a field that the other has not.
        assert_eq!(
            twice("event a 2 #0000000000000001\nevent a 2 #0000000000000002\nevent a 2 owner u8\n"),
            format!("`a` version 2 is recorded in events.lock twice (lines 1 and 2){way_out}")
        );
        let marks = "event a 1\n<<<<<<< HEAD\nevent b 1\n=======\nevent c 1\n>>>>>>> other\n";
        assert_eq!(
            twice(marks),
            "a merge has left its marks in events.lock, lines 2, 4 and 6: take out these lines, and keep the lines of both \
             sides"
        );
        let both: Vec<_> = marks.lines().filter(|line| line.starts_with("event")).collect();
        assert!(Lock::parse(&both.join("\n")).is_ok());
    }
}

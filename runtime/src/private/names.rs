//! Which event is called what, for rustc to ask: the names of events are constants of theirs.

use crate::event::EventKind;

/// The first event that has a name, or had one, that one before it has or had; `kinds.len()` if there is none.
///
/// rustc interprets this for every aggregate, and takes microseconds for what a processor does in nanoseconds. So it does not
/// compare each with each, but only those whose mark was set before.
pub const fn repeated(kinds: &[EventKind]) -> usize {
    let mut marks = [false; MARKS];
    let mut index = 0;
    while index < kinds.len() {
        let kind = &kinds[index];
        let of_name = mark(kind.name);
        let mut was_set = marks[of_name];
        marks[of_name] = true;
        let mut alias = 0;
        while alias < kind.aliases.len() {
            let of_alias = mark(kind.aliases[alias]);
            was_set |= marks[of_alias];
            marks[of_alias] = true;
            alias += 1;
        }
        if was_set && !is_new(kinds, index) {
            return index;
        }
        index += 1;
    }
    index
}

/// A prime, and many more than an aggregate has events.
const MARKS: usize = 4093;

/// Most names have another one than most others: they differ in length, in how they begin, or in how they end.
const fn mark(name: &str) -> usize {
    let bytes = name.as_bytes();
    match bytes {
        [first, .., third, second, last] => {
            let ends =
                *first as usize + *third as usize * 29 + *second as usize * 311 + *last as usize * 3121;
            (ends + bytes.len() * 811) % MARKS
        }
        _ => bytes.len(),
    }
}

/// That the event at `index` is not the one that [`repeated`] has found. The error has its caret at the caller.
#[track_caller]
pub const fn assert_new(repeated: usize, index: usize, message: &str) {
    assert!(repeated != index, "{}", message);
}

/// Whether none of the names of the event at `index` is one of an event before it.
pub const fn is_new(kinds: &[EventKind], index: usize) -> bool {
    is_unused(kinds, index, &kinds[index])
}

/// Whether none of the names of `kind` is one of the first `count` events.
pub const fn is_unused(kinds: &[EventKind], count: usize, kind: &EventKind) -> bool {
    let mut unused = true;
    let mut index = 0;
    while index < count {
        unused &= !share_a_name(&kinds[index], kind);
        index += 1;
    }
    unused
}

const fn share_a_name(left: &EventKind, right: &EventKind) -> bool {
    let mut share = is_among(left.name, right);
    let mut index = 0;
    while index < left.aliases.len() {
        share |= is_among(left.aliases[index], right);
        index += 1;
    }
    share
}

const fn is_among(name: &str, kind: &EventKind) -> bool {
    let mut found = same(name, kind.name);
    let mut index = 0;
    while index < kind.aliases.len() {
        found |= same(name, kind.aliases[index]);
        index += 1;
    }
    found
}

/// Whether two names are one.
pub const fn same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut same = left.len() == right.len();
    let mut index = 0;
    while same && index < left.len() {
        same = left[index] == right[index];
        index += 1;
    }
    same
}

/// Whether one of the events has, or had, this name.
pub const fn knows(kinds: &[EventKind], name: &str) -> bool {
    let mut knows = false;
    let mut index = 0;
    while index < kinds.len() {
        knows |= is_among(name, &kinds[index]);
        index += 1;
    }
    knows
}

/// Whether the event of this name, if it is among them, is at `version` at least.
pub const fn is_at_least(kinds: &[EventKind], name: &str, version: u32) -> bool {
    let mut is = true;
    let mut index = 0;
    while index < kinds.len() {
        is &= kinds[index].version >= version || !is_among(name, &kinds[index]);
        index += 1;
    }
    is
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_name_is_found_and_no_other() {
        let kind = |name, aliases| EventKind { name, version: 1, aliases };
        for (kinds, expected) in [
            (vec![], 0),
            (vec![kind("opened", &[]), kind("closed", &[]), kind("opened", &[])], 2),
            (vec![kind("paid-in", &["paid"]), kind("paid", &[])], 1),
            (vec![kind("paid", &[]), kind("paid-in", &["paid"])], 1),
            (vec![kind("new", &["old"]), kind("newer", &["old"])], 1),
            // A name of its own that it had before.
            (vec![kind("paid", &["paid"]), kind("spent", &[])], 2),
            // One mark, two names.
            (vec![kind("card-used", &[]), kind("coin-used", &[])], 2),
            (vec![kind("a", &[]), kind("b", &[]), kind("b", &[])], 2),
        ] {
            assert_eq!(repeated(&kinds), expected, "{kinds:?}");
        }
        assert_eq!(mark("card-used"), mark("coin-used"));
    }
}

//! Comparisons of event names at compile time: the names are associated constants, which macros do not see.

#![expect(
    clippy::indexing_slicing,
    reason = "constants have no other access to slices; the loops keep to their lengths"
)]

use crate::domain::event::EventKind;

/// The index of the first event that shares a name or alias with an earlier one; `kinds.len()` if none does.
///
/// `sources` says for each event which aggregates it comes from; if it is empty, all events come from all. Two
/// events of different aggregates may share a name.
///
/// rustc interprets this function for every aggregate, a thousand times slower than compiled code. So it
/// compares an event with earlier ones only if one of its names has a mark that is already set.
#[must_use]
pub const fn repeated_name(kinds: &[EventKind], sources: &[&[bool]]) -> usize {
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
        if was_set && !is_new_among(kinds, sources, index) {
            return index;
        }
        index += 1;
    }
    index
}

/// The number of marks: a prime, much larger than the number of an aggregate's events.
pub(super) const MARKS: usize = 4093;

/// A cheap hash of a name: of its length, its first byte and its last three. Two names can share a mark.
pub(super) const fn mark(name: &str) -> usize {
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

/// Fails with what [`repeated_name`] found. The error points at the caller.
#[track_caller]
pub const fn report_repeated(message: &str) {
    assert!(message.is_empty(), "{}", message);
}

/// Whether the event at `index` shares no name or alias with an earlier event.
#[must_use]
pub const fn is_new(kinds: &[EventKind], index: usize) -> bool {
    is_unused(kinds, index, &kinds[index])
}

const fn is_new_among(kinds: &[EventKind], sources: &[&[bool]], index: usize) -> bool {
    let mut new = true;
    let mut earlier = 0;
    while earlier < index {
        new &= !share_a_name(&kinds[earlier], &kinds[index]) || !share_a_source(sources, earlier, index);
        earlier += 1;
    }
    new
}

const fn share_a_source(sources: &[&[bool]], left: usize, right: usize) -> bool {
    let mut share = sources.is_empty();
    let mut source = 0;
    while !share && source < sources[left].len() {
        share = sources[left][source] && sources[right][source];
        source += 1;
    }
    share
}

/// Whether `kind` shares no name or alias with the first `count` events.
#[must_use]
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
    let mut found = same_name(name, kind.name);
    let mut index = 0;
    while index < kind.aliases.len() {
        found |= same_name(name, kind.aliases[index]);
        index += 1;
    }
    found
}

/// Whether two names are equal.
#[must_use]
pub const fn same_name(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut same = left.len() == right.len();
    let mut index = 0;
    while same && index < left.len() {
        same = left[index] == right[index];
        index += 1;
    }
    same
}

/// Whether one of the events has this name or alias.
#[must_use]
pub const fn knows_name(kinds: &[EventKind], name: &str) -> bool {
    let mut knows = false;
    let mut index = 0;
    while index < kinds.len() {
        knows |= is_among(name, &kinds[index]);
        index += 1;
    }
    knows
}

/// Asserts that an event has the newest version that `events.lock` records. The error points at the caller.
#[track_caller]
pub const fn assert_not_lowered(lowered: Option<&str>) {
    let message = match lowered {
        Some(message) => message,
        None => "",
    };
    assert!(lowered.is_none(), "{}", message);
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
            // The alias of an event is its own name.
            (vec![kind("paid", &["paid"]), kind("spent", &[])], 2),
            // Two names with one mark.
            (vec![kind("card-used", &[]), kind("coin-used", &[])], 2),
            (vec![kind("a", &[]), kind("b", &[]), kind("b", &[])], 2),
        ] {
            assert_eq!(repeated_name(&kinds, &[]), expected, "{kinds:?}");
        }
        assert_eq!(mark("card-used"), mark("coin-used"));
    }

    #[test]
    fn events_of_different_aggregates_may_share_a_name() {
        let kind = |name, aliases| EventKind { name, version: 1, aliases };
        let kinds = [kind("closed", &[]), kind("opened", &[]), kind("shut", &["closed"])];
        let (first, second, both) = ([true, false], [false, true], [true, true]);
        for (sources, expected) in
            [([&first, &first, &second], 3), ([&first, &second, &first], 2), ([&both, &first, &second], 2)]
        {
            let sources: Vec<&[bool]> = sources.iter().map(|source| &source[..]).collect();
            assert_eq!(repeated_name(&kinds, &sources), expected, "{sources:?}");
        }
    }
}

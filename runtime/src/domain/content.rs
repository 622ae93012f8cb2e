//! Hashes of values that are equal for equal values in every run of a program, as std's hashes are not.
//!
//! Sets and maps of std have another order in each instance, so their elements count without it. serde does not tell sets
//! from lists: a sequence counts with its order only where its type is known to have one.

pub(crate) mod of_debug;
pub(crate) mod of_serialized;

use std::cell::RefCell;

use crate::domain::hash::mixed;

/// What a value consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    /// The hash of the values.
    pub(crate) hash: u64,
    /// The structs in the value, sorted; see [`struct_mark`].
    pub(crate) structs: Vec<u64>,
}

impl Content {
    fn new(hash: u64, structs: RefCell<Vec<u64>>) -> Self {
        let mut structs = structs.into_inner();
        structs.sort_unstable();
        structs.dedup();
        Self { hash, structs }
    }
}

/// A struct as a mark: the hash of its name in the upper half, that of its fields' names in the lower one.
fn struct_mark(name: u64, fields: u64) -> u64 {
    (spread(name) >> 32 << 32) | (spread(fields) >> 32)
}

/// Whether the structs of two contents certainly differ: one that both have has other fields.
pub(crate) fn have_other_fields(structs: &[u64], others: &[u64]) -> bool {
    structs.iter().any(|mark| {
        let mut same_name = others.iter().filter(|other| **other >> 32 == mark >> 32).peekable();
        same_name.peek().is_some() && same_name.all(|other| other != mark)
    })
}

/// The name at the end of a text, as of a struct before its fields.
fn last_name(text: &str) -> Option<&str> {
    let is_in_name = |char: char| char.is_alphanumeric() || char == '_';
    text.rsplit(|char| !is_in_name(char)).next().filter(|name| !name.is_empty())
}

/// Adds a part to the hash of those before it.
fn joined(ordered: bool, hash: u64, part: u64) -> u64 {
    if ordered { mixed(hash, part) } else { hash.wrapping_add(spread(part)) }
}

/// Spreads a hash over all bits, so that a sum of hashes does not cancel out.
const fn spread(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap, HashSet};

    use std::fmt::Debug;

    use super::of_debug::content_of_debug;
    use super::of_serialized::content_of_serialized;
    use super::*;

    /// Values of which no two are equal, as serde and as `Debug` show them.
    #[derive(Debug, Clone, PartialEq, serde::Serialize)]
    #[expect(clippy::option_option, reason = "serde sees two options")]
    enum Value {
        Text(&'static str),
        Texts(&'static str, &'static str),
        Number(Option<f64>),
        Whole(i64),
        Pair((u8, u8)),
        List(Vec<u8>),
        Shared(Box<[u8]>),
        Nested(Option<Option<u8>>),
        Bytes { a: u8, b: u8 },
        Letter(char, char),
        Nothing,
    }

    #[test]
    fn different_values_have_different_hashes() {
        use Value::*;
        let values = [
            Text("a"),
            Text("a, b"),
            Text("a\", \"b"),
            Texts("a", "b"),
            Texts("b", "a"),
            Texts("a b", ""),
            Number(None),
            Number(Some(f64::INFINITY)),
            Number(Some(1.0)),
            Whole(1),
            Whole(-1),
            Pair((1, 2)),
            Pair((2, 1)),
            List(vec![]),
            List(vec![1, 1]),
            List(vec![1]),
            List(vec![1, 2]),
            List(vec![2, 1]),
            Shared([1, 2].into()),
            Shared([2, 1].into()),
            Nested(None),
            Nested(Some(None)),
            Nested(Some(Some(0))),
            Bytes { a: 1, b: 2 },
            Bytes { a: 2, b: 1 },
            Letter('}', '('),
            Letter('(', '}'),
            Nothing,
        ];
        for (index, one) in values.iter().enumerate() {
            for other in &values[index + 1..] {
                assert_ne!(content_of_serialized(one), content_of_serialized(other), "{one:?} and {other:?}");
                assert_ne!(content_of_debug(one), content_of_debug(other), "{one:?} and {other:?}");
            }
            assert_eq!(content_of_serialized(one), content_of_serialized(&one.clone()));
        }
    }

    #[test]
    fn the_order_of_maps_and_sets_does_not_count() {
        let one: HashMap<u32, HashSet<u32>> = (0..50).map(|key| (key, (0..key).collect())).collect();
        let other: HashMap<u32, HashSet<u32>> = (0..50).rev().map(|key| (key, (0..key).collect())).collect();
        let sorted: BTreeMap<_, _> = one.iter().collect();
        assert_eq!(content_of_serialized(&one), content_of_serialized(&other));
        assert_eq!(content_of_serialized(&one), content_of_serialized(&sorted));
        assert_eq!(content_of_debug(&one), content_of_debug(&other));
        let less: HashMap<u32, HashSet<u32>> = (0..50).map(|key| (key, (1..key).collect())).collect();
        assert_ne!(content_of_serialized(&one), content_of_serialized(&less));
        assert_ne!(content_of_debug(&one), content_of_debug(&less));
    }

    #[test]
    fn text_of_debug_is_that_of_its_own_part() {
        /// Its text has half of a pair.
        #[derive(PartialEq, Eq, Hash)]
        struct Half(u32);
        impl Debug for Half {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}{}", self.0, ["\"", "'", "{", "[x, ", ")", "}\n]", "\\\""][self.0 as usize % 7])
            }
        }
        let sets = |numbers: Vec<u32>| [numbers.into_iter().map(Half).collect::<HashSet<_>>()];
        let one = content_of_debug(&sets((0..50).collect()));
        for _ in 0..5 {
            assert_eq!(one, content_of_debug(&sets((0..50).rev().collect())));
        }
        assert_ne!(one, content_of_debug(&sets((1..50).collect())));
    }

    #[test]
    fn structs_are_known_by_name_and_fields() {
        mod before {
            #[derive(Debug, serde::Serialize)]
            pub(super) struct Line {
                pub(super) n: u8,
            }
        }
        #[derive(Debug, Clone, serde::Serialize)]
        struct Line {
            n: u8,
            #[serde(skip_serializing_if = "Option::is_none")]
            note: Option<u8>,
        }
        #[derive(Debug, serde::Serialize)]
        enum Part {
            One { line: u8 },
            Other { line: u8 },
        }
        let line = |n, note| Line { n, note };
        macro_rules! differ {
            ($one:expr, $other:expr) => {
                [
                    (content_of_serialized(&$one).unwrap(), content_of_serialized(&$other).unwrap()),
                    (content_of_debug(&$one), content_of_debug(&$other)),
                ]
                .map(|(one, other)| have_other_fields(&one.structs, &other.structs))
            };
        }
        assert_eq!(differ!(before::Line { n: 1 }, line(1, None)), [true; 2]);
        assert_eq!(differ!(vec![line(1, None)], Some(before::Line { n: 1 })), [true; 2]);
        assert_eq!(differ!(line(1, None), line(2, Some(3))), [false; 2]);
        assert_eq!(differ!(vec![line(1, None)], Vec::<before::Line>::new()), [false; 2]);
        assert_eq!(differ!(Part::One { line: 1 }, Part::Other { line: 1 }), [false; 2]);
        assert_eq!(differ!(HashMap::from([("n", 1)]), before::Line { n: 1 }), [false; 2]);
    }

    #[test]
    fn any_text_of_debug_has_a_hash() {
        #[derive(Clone, Copy)]
        struct Shown(&'static str);
        impl Debug for Shown {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.0)
            }
        }
        let texts = ["", "}", "}}{", "(((", "\"", "\"\\", "'", "it's", "''", "{a", "a}"];
        for (index, one) in texts.iter().enumerate() {
            for other in &texts[index + 1..] {
                assert_ne!(
                    content_of_debug(&Shown(one)),
                    content_of_debug(&Shown(other)),
                    "{one} and {other}"
                );
            }
        }
    }
}

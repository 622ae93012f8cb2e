//! Hashes of values that are equal for equal values in every run of a program, as std's hashes are not.
//!
//! Sets and maps of std have another order in each instance, so their elements count without it. serde does not tell sets
//! from lists: a sequence counts with its order only where its type is known to have one.

use std::any::type_name;
use std::cell::RefCell;
use std::fmt::{Debug, Display, Write as _};

use serde::ser::{self, Error as _, Serialize, Serializer};

use crate::domain::hash::{FNV_OFFSET, hashed, mixed};

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

/// What serde sees of a value; `None` if the value's own serde code fails.
///
/// Unlike JSON, it tells infinity from nothing, and a whole number from the float of the same amount.
pub(crate) fn content_of_serialized<T: Serialize + ?Sized>(value: &T) -> Option<Content> {
    let structs = RefCell::default();
    let hash = value.serialize(ContentSerializer::of::<T>(&structs)).ok()?;
    Some(Content::new(hash, structs))
}

/// What a value's `Debug` text says. What stands in `{}` counts without its order.
///
/// The text has a line for each part, so that a quote or a bracket in one part is not taken for the end of another.
pub(crate) fn content_of_debug<T: Debug + ?Sized>(value: &T) -> Content {
    let mut text = String::new();
    // Not by `format!`, which panics if the value's own code fails. What it has written counts.
    let _ = write!(text, "{value:#?}");
    let structs = RefCell::default();
    let mut outer: Vec<(usize, Group)> = Vec::new();
    let mut group = Group::new(true);
    for line in text.lines() {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        while let Some((around, _)) = outer.last().filter(|(around, _)| indent <= *around) {
            let closes = indent == *around && content.starts_with(['}', ']', ')']);
            if let Some((_, around)) = outer.pop() {
                let inner = std::mem::replace(&mut group, around).end(&structs);
                group.part = mixed(group.part, inner);
            }
            if closes {
                break;
            }
            group.end_part();
        }
        match content.strip_suffix(['{', '[', '(']) {
            Some(before) => {
                group.add_field(before);
                group.part = mixed(group.part, hash_of_line(content));
                let mut inner = Group::new(!content.ends_with('{'));
                inner.name =
                    before.strip_suffix(' ').and_then(last_name).map(|name| hashed(FNV_OFFSET, name));
                outer.push((indent, std::mem::replace(&mut group, inner)));
            }
            None => {
                let part = content.strip_suffix(',').unwrap_or(content);
                group.add_field(part);
                group.part = mixed(group.part, hash_of_line(part));
                group.end_part();
            }
        }
    }
    while let Some((_, around)) = outer.pop() {
        let inner = std::mem::replace(&mut group, around).end(&structs);
        group.part = mixed(group.part, inner);
    }
    Content::new(group.end(&structs), structs)
}

/// The name at the end of a text, as of a struct before its fields.
fn last_name(text: &str) -> Option<&str> {
    let is_in_name = |char: char| char.is_alphanumeric() || char == '_';
    text.rsplit(|char| !is_in_name(char)).next().filter(|name| !name.is_empty())
}

/// The hash of one line of a `Debug` text, which may have whole groups.
fn hash_of_line(text: &str) -> u64 {
    let structs = RefCell::default();
    let mut outer = Vec::new();
    let mut group = Group::new(true);
    let mut rest = text.chars();
    while let Some(char) = rest.next() {
        match char {
            '"' => {
                group.add(char);
                let mut escaped = false;
                for char in rest.by_ref() {
                    group.add(char);
                    if char == '"' && !escaped {
                        break;
                    }
                    escaped = char == '\\' && !escaped;
                }
            }
            // A character that would otherwise end its group.
            '\'' if rest.as_str().chars().nth(1) == Some('\'') => {
                group.add(char);
                rest.by_ref().take(2).for_each(|char| group.add(char));
            }
            '{' | '[' | '(' => {
                group.add(char);
                outer.push(std::mem::replace(&mut group, Group::new(char != '{')));
            }
            '}' | ']' | ')' => match outer.pop() {
                Some(around) => {
                    let inner = std::mem::replace(&mut group, around).end(&structs);
                    group.part = mixed(group.part, inner);
                    group.add(char);
                }
                None => group.add(char),
            },
            ',' => group.end_part(),
            ' ' => group.has_space = true,
            char => group.add(char),
        }
    }
    while let Some(around) = outer.pop() {
        let inner = std::mem::replace(&mut group, around).end(&structs);
        group.part = mixed(group.part, inner);
    }
    group.end(&structs)
}

/// What stands between two brackets, in parts that commas separate.
struct Group {
    ordered: bool,
    hash: u64,
    part: u64,
    /// Whether there is a space before the next character, which counts within a part only.
    has_space: bool,
    /// The name of the struct, if it is one.
    name: Option<u64>,
    /// The names of its fields.
    fields: u64,
}

impl Group {
    const fn new(ordered: bool) -> Self {
        Self { ordered, hash: FNV_OFFSET, part: FNV_OFFSET, has_space: false, name: None, fields: 0 }
    }

    fn add(&mut self, char: char) {
        if std::mem::take(&mut self.has_space) && self.part != FNV_OFFSET {
            self.part = mixed(self.part, u64::from(b' '));
        }
        self.part = mixed(self.part, u64::from(char));
    }

    /// Adds the name of a field, if the part begins with one.
    fn add_field(&mut self, part: &str) {
        if let Some((name, _)) = part.split_once(": ")
            && last_name(name) == Some(name)
        {
            self.fields = self.fields.wrapping_add(spread(hashed(FNV_OFFSET, name)));
        }
    }

    fn end_part(&mut self) {
        self.hash = joined(self.ordered, self.hash, std::mem::replace(&mut self.part, FNV_OFFSET));
        self.has_space = false;
    }

    fn end(mut self, structs: &RefCell<Vec<u64>>) -> u64 {
        self.end_part();
        if let Some(name) = self.name.filter(|_| self.fields != 0) {
            structs.borrow_mut().push(struct_mark(name, self.fields));
        }
        self.hash
    }
}

/// Adds a part to the hash of those before it.
fn joined(ordered: bool, hash: u64, part: u64) -> u64 {
    if ordered { mixed(hash, part) } else { hash.wrapping_add(spread(part)) }
}

/// The hash of several parts, whose order counts or not.
struct Parts<'s> {
    ordered: bool,
    hash: u64,
    /// The key of a map whose value has not come yet.
    key: u64,
    /// The name of a struct, and those of its fields.
    name: u64,
    fields: u64,
    structs: &'s RefCell<Vec<u64>>,
}

impl Parts<'_> {
    fn add(&mut self, part: u64) {
        self.hash = joined(self.ordered, self.hash, part);
    }

    fn add_field(&mut self, name: &str) {
        self.fields = self.fields.wrapping_add(spread(hashed(FNV_OFFSET, name)));
    }

    fn hash<T: Serialize + ?Sized>(&self, value: &T) -> Result<u64, serde_json::Error> {
        value.serialize(ContentSerializer::of::<T>(self.structs))
    }
}

/// Spreads a hash over all bits, so that a sum of hashes does not cancel out.
const fn spread(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// Whether a sequence of this type has an order, as far as its name says that.
fn has_order(mut ty: &str) -> bool {
    const POINTERS: [&str; 5] =
        ["&", "alloc::boxed::Box<", "alloc::rc::Rc<", "alloc::sync::Arc<", "alloc::borrow::Cow<"];
    while let Some(inner) = POINTERS.iter().find_map(|pointer| ty.strip_prefix(pointer)) {
        ty = inner.strip_prefix("mut ").unwrap_or(inner);
    }
    let name = ty.split('<').next().and_then(last_name).unwrap_or_default();
    ty.starts_with('[') || ["Vec", "VecDeque", "LinkedList", "BTreeSet"].contains(&name)
}

#[derive(Clone, Copy)]
struct ContentSerializer<'s> {
    /// Whether the value has an order, if it is a sequence.
    ordered: bool,
    structs: &'s RefCell<Vec<u64>>,
}

impl<'s> ContentSerializer<'s> {
    fn of<T: ?Sized>(structs: &'s RefCell<Vec<u64>>) -> Self {
        Self { ordered: has_order(type_name::<T>()), structs }
    }

    fn hash<T: Serialize + ?Sized>(self, value: &T) -> Result<u64, serde_json::Error> {
        value.serialize(Self::of::<T>(self.structs))
    }

    fn parts(self, ordered: bool) -> Parts<'s> {
        Parts { ordered, hash: FNV_OFFSET, key: 0, name: FNV_OFFSET, fields: 0, structs: self.structs }
    }
}

fn tagged(tag: &str, value: u64) -> u64 {
    mixed(hashed(FNV_OFFSET, tag), value)
}

fn integer(value: i128) -> u64 {
    hashed(FNV_OFFSET, &value.to_string())
}

macro_rules! scalars {
    ($($method:ident: $ty:ty => |$value:ident| $hash:expr;)*) => {$(
        fn $method(self, $value: $ty) -> Result<u64, serde_json::Error> {
            Ok($hash)
        }
    )*};
}

impl<'s> Serializer for ContentSerializer<'s> {
    type Ok = u64;
    type Error = serde_json::Error;
    type SerializeSeq = Parts<'s>;
    type SerializeTuple = Parts<'s>;
    type SerializeTupleStruct = Parts<'s>;
    type SerializeTupleVariant = Parts<'s>;
    type SerializeMap = Parts<'s>;
    type SerializeStruct = Parts<'s>;
    type SerializeStructVariant = Parts<'s>;

    scalars! {
        serialize_bool: bool => |value| tagged("bool", value.into());
        serialize_i8: i8 => |value| integer(value.into());
        serialize_i16: i16 => |value| integer(value.into());
        serialize_i32: i32 => |value| integer(value.into());
        serialize_i64: i64 => |value| integer(value.into());
        serialize_i128: i128 => |value| integer(value);
        serialize_u8: u8 => |value| integer(value.into());
        serialize_u16: u16 => |value| integer(value.into());
        serialize_u32: u32 => |value| integer(value.into());
        serialize_u64: u64 => |value| integer(value.into());
        serialize_u128: u128 => |value| hashed(FNV_OFFSET, &value.to_string());
        serialize_f32: f32 => |value| tagged("float", f64::from(value).to_bits());
        serialize_f64: f64 => |value| tagged("float", value.to_bits());
        serialize_char: char => |value| tagged("text", hashed(FNV_OFFSET, value.encode_utf8(&mut [0; 4])));
        serialize_str: &str => |value| tagged("text", hashed(FNV_OFFSET, value));
        serialize_bytes: &[u8] => |value| value.iter().fold(FNV_OFFSET, |hash, byte| mixed(hash, u64::from(*byte)));
        serialize_unit_struct: &'static str => |_name| tagged("unit", 0);
    }

    fn serialize_none(self) -> Result<u64, serde_json::Error> {
        Ok(tagged("none", 0))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<u64, serde_json::Error> {
        Ok(tagged("some", self.hash(value)?))
    }

    fn serialize_unit(self) -> Result<u64, serde_json::Error> {
        Ok(tagged("unit", 0))
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<u64, serde_json::Error> {
        Ok(tagged(variant, 0))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<u64, serde_json::Error> {
        self.hash(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<u64, serde_json::Error> {
        Ok(tagged(variant, self.hash(value)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'s>, serde_json::Error> {
        Ok(self.parts(self.ordered))
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'s>, serde_json::Error> {
        Ok(self.parts(true))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts<'s>, serde_json::Error> {
        Ok(self.parts(true))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'s>, serde_json::Error> {
        Ok(Parts { hash: hashed(FNV_OFFSET, variant), ..self.parts(true) })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'s>, serde_json::Error> {
        Ok(self.parts(false))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Parts<'s>, serde_json::Error> {
        Ok(Parts { name: hashed(FNV_OFFSET, name), ..self.parts(false) })
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'s>, serde_json::Error> {
        let (name, hash) = (hashed(hashed(FNV_OFFSET, name), variant), hashed(FNV_OFFSET, variant));
        Ok(Parts { hash, name, ..self.parts(false) })
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<u64, serde_json::Error> {
        let mut text = String::new();
        // Not by `to_string`, which panics if the value's own code fails.
        write!(text, "{value}").map_err(serde_json::Error::custom)?;
        self.serialize_str(&text)
    }
}

macro_rules! sequences {
    ($($part:ident::$method:ident)*) => {$(
        impl ser::$part for Parts<'_> {
            type Ok = u64;
            type Error = serde_json::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), serde_json::Error> {
                self.add(self.hash(value)?);
                Ok(())
            }

            fn end(self) -> Result<u64, serde_json::Error> {
                Ok(self.hash)
            }
        }
    )*};
}

sequences! {
    SerializeSeq::serialize_element
    SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field
    SerializeTupleVariant::serialize_field
}

macro_rules! structs {
    ($($part:ident)*) => {$(
        impl ser::$part for Parts<'_> {
            type Ok = u64;
            type Error = serde_json::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), serde_json::Error> {
                self.add_field(key);
                self.add(tagged(key, self.hash(value)?));
                Ok(())
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), serde_json::Error> {
                self.add_field(key);
                Ok(())
            }

            fn end(self) -> Result<u64, serde_json::Error> {
                self.structs.borrow_mut().push(struct_mark(self.name, self.fields));
                Ok(self.hash)
            }
        }
    )*};
}

structs! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Parts<'_> {
    type Ok = u64;
    type Error = serde_json::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), serde_json::Error> {
        self.key = self.hash(key)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), serde_json::Error> {
        self.add(mixed(self.key, self.hash(value)?));
        Ok(())
    }

    fn end(self) -> Result<u64, serde_json::Error> {
        Ok(self.hash)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap, HashSet};

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

//! Hashes of values that are equal for equal values in every run of a program, as std's hashes are not.
//!
//! Sets and maps of std have another order in each instance. So the elements of a map, of a set and of a list
//! count without their order; serde does not tell sets from lists.

use std::fmt::{Debug, Display, Write as _};

use serde::ser::{self, Error as _, Serialize, Serializer};

use crate::domain::hash::{FNV_OFFSET, hashed, mixed};

/// The hash of what serde sees of a value; `None` if the value's own serde code fails.
///
/// Unlike JSON, it tells infinity from nothing, and a whole number from the float of the same amount.
pub(crate) fn hash_of_serialized<T: Serialize + ?Sized>(value: &T) -> Option<u64> {
    value.serialize(ContentSerializer).ok()
}

/// The hash of a value's `Debug` text. What stands in `{}` counts without its order.
pub(crate) fn hash_of_debug<T: Debug + ?Sized>(value: &T) -> u64 {
    let mut text = String::new();
    // Not by `format!`, which panics if the value's own code fails. What it has written counts.
    let _ = write!(text, "{value:?}");
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
                    let inner = std::mem::replace(&mut group, around).end();
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
        let inner = std::mem::replace(&mut group, around).end();
        group.part = mixed(group.part, inner);
    }
    group.end()
}

/// What stands between two brackets, in parts that commas separate.
struct Group {
    whole: Parts,
    part: u64,
    /// Whether there is a space before the next character, which counts within a part only.
    has_space: bool,
}

impl Group {
    const fn new(ordered: bool) -> Self {
        Self { whole: Parts::new(ordered), part: FNV_OFFSET, has_space: false }
    }

    fn add(&mut self, char: char) {
        if std::mem::take(&mut self.has_space) && self.part != FNV_OFFSET {
            self.part = mixed(self.part, u64::from(b' '));
        }
        self.part = mixed(self.part, u64::from(char));
    }

    fn end_part(&mut self) {
        self.whole.add(std::mem::replace(&mut self.part, FNV_OFFSET));
        self.has_space = false;
    }

    fn end(mut self) -> u64 {
        self.end_part();
        self.whole.hash
    }
}

/// The hash of several parts, whose order counts or not.
struct Parts {
    ordered: bool,
    hash: u64,
    /// The key of a map whose value has not come yet.
    key: u64,
}

impl Parts {
    const fn new(ordered: bool) -> Self {
        Self { ordered, hash: FNV_OFFSET, key: 0 }
    }

    fn add(&mut self, part: u64) {
        self.hash = if self.ordered { mixed(self.hash, part) } else { self.hash.wrapping_add(spread(part)) };
    }
}

/// Spreads a hash over all bits, so that a sum of hashes does not cancel out.
const fn spread(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

struct ContentSerializer;

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

impl Serializer for ContentSerializer {
    type Ok = u64;
    type Error = serde_json::Error;
    type SerializeSeq = Parts;
    type SerializeTuple = Parts;
    type SerializeTupleStruct = Parts;
    type SerializeTupleVariant = Parts;
    type SerializeMap = Parts;
    type SerializeStruct = Parts;
    type SerializeStructVariant = Parts;

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
        Ok(tagged("some", value.serialize(self)?))
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
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<u64, serde_json::Error> {
        Ok(tagged(variant, value.serialize(self)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts, serde_json::Error> {
        Ok(Parts::new(false))
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts, serde_json::Error> {
        Ok(Parts::new(true))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts, serde_json::Error> {
        Ok(Parts::new(true))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts, serde_json::Error> {
        Ok(Parts { hash: hashed(FNV_OFFSET, variant), ..Parts::new(true) })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts, serde_json::Error> {
        Ok(Parts::new(false))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts, serde_json::Error> {
        Ok(Parts::new(false))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts, serde_json::Error> {
        Ok(Parts { hash: hashed(FNV_OFFSET, variant), ..Parts::new(false) })
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
        impl ser::$part for Parts {
            type Ok = u64;
            type Error = serde_json::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), serde_json::Error> {
                self.add(value.serialize(ContentSerializer)?);
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
        impl ser::$part for Parts {
            type Ok = u64;
            type Error = serde_json::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), serde_json::Error> {
                self.add(tagged(key, value.serialize(ContentSerializer)?));
                Ok(())
            }

            fn end(self) -> Result<u64, serde_json::Error> {
                Ok(self.hash)
            }
        }
    )*};
}

structs! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Parts {
    type Ok = u64;
    type Error = serde_json::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), serde_json::Error> {
        self.key = key.serialize(ContentSerializer)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), serde_json::Error> {
        self.add(mixed(self.key, value.serialize(ContentSerializer)?));
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
                assert_ne!(hash_of_serialized(one), hash_of_serialized(other), "{one:?} and {other:?}");
                assert_ne!(hash_of_debug(one), hash_of_debug(other), "{one:?} and {other:?}");
            }
            assert_eq!(hash_of_serialized(one), hash_of_serialized(&one.clone()));
        }
    }

    #[test]
    fn the_order_of_maps_and_sets_does_not_count() {
        let one: HashMap<u32, HashSet<u32>> = (0..50).map(|key| (key, (0..key).collect())).collect();
        let other: HashMap<u32, HashSet<u32>> = (0..50).rev().map(|key| (key, (0..key).collect())).collect();
        let sorted: BTreeMap<_, _> = one.iter().collect();
        assert_eq!(hash_of_serialized(&one), hash_of_serialized(&other));
        assert_eq!(hash_of_serialized(&one), hash_of_serialized(&sorted));
        assert_eq!(hash_of_debug(&one), hash_of_debug(&other));
        let less: HashMap<u32, HashSet<u32>> = (0..50).map(|key| (key, (1..key).collect())).collect();
        assert_ne!(hash_of_serialized(&one), hash_of_serialized(&less));
        assert_ne!(hash_of_debug(&one), hash_of_debug(&less));
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
                assert_ne!(hash_of_debug(&Shown(one)), hash_of_debug(&Shown(other)), "{one} and {other}");
            }
        }
    }
}

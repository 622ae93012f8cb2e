//! The content of a value as serde sees it.

use std::any::type_name;
use std::cell::RefCell;
use std::fmt::{Display, Write as _};

use serde::ser::{self, Error as _, Serialize, Serializer};

use crate::domain::content::{Content, joined, last_name, spread, struct_mark};
use crate::domain::hash::{FNV_OFFSET, hashed, mixed};

/// What serde sees of a value; `None` if the value's own serde code fails.
///
/// Unlike JSON, it tells infinity from nothing, and a whole number from the float of the same amount.
pub(crate) fn content_of_serialized<T: Serialize + ?Sized>(value: &T) -> Option<Content> {
    let structs = RefCell::default();
    let hash = value.serialize(ContentSerializer::of::<T>(&structs)).ok()?;
    Some(Content::new(hash, structs))
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

//! A value as a database has it.

use std::borrow::Cow;
use std::fmt;

use uuid::Uuid;

use crate::domain::time::Timestamp;

/// A value that a statement takes or a row has.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SqlValue<'v> {
    /// No value.
    Null,
    /// Yes or no. SQLite has 1 and 0.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text.
    Text(Cow<'v, str>),
    /// Bytes.
    Bytes(Cow<'v, [u8]>),
    /// A UUID. SQLite has its text, with hyphens.
    Uuid(Uuid),
    /// A time. SQLite has its microseconds since 1970.
    Timestamp(Timestamp),
}

/// What an error says of a value. It does not repeat the value, which may be a secret.
impl fmt::Display for SqlValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "NULL",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Uuid(_) => "a UUID",
            Self::Timestamp(_) => "a time",
        })
    }
}

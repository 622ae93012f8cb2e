//! What a column of a row is read as.

use uuid::Uuid;

use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::sql::value::SqlValue;

/// A type that the value of a column is read as; see [`SqlRow::get`](crate::follow::SqlRow::get).
///
/// SQLite has no type for booleans, UUIDs and times. They are read from what it has instead, so that both databases give the
/// same.
#[diagnostic::on_unimplemented(
    message = "a column can't be read as `{Self}`",
    label = "not a value of SQL",
    note = "a column is read as an integer, `f64`, `bool`, `String`, `&str`, `Vec<u8>`, `&[u8]`, `Uuid`, `Timestamp`, or `Position`",
    note = "a column that may be NULL is read as an `Option` of one of these"
)]
pub trait SqlColumn<'r>: Sized {
    /// The value as this type; `None` if it has another one.
    fn from_sql(value: &'r SqlValue<'_>) -> Option<Self>;
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl SqlColumn<'_> for $integer {
            fn from_sql(value: &SqlValue<'_>) -> Option<Self> {
                integer(value)?.try_into().ok()
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

/// SQLite has whole numbers where PostgreSQL has booleans and times.
fn integer(value: &SqlValue<'_>) -> Option<i64> {
    match *value {
        SqlValue::Integer(integer) => Some(integer),
        SqlValue::Bool(bool) => Some(bool.into()),
        SqlValue::Timestamp(time) => Some(time.as_micros()),
        _ => None,
    }
}

impl SqlColumn<'_> for f64 {
    /// A sum of fractions may be a whole number.
    #[expect(clippy::cast_precision_loss, reason = "as SQLite converts numbers")]
    fn from_sql(value: &SqlValue<'_>) -> Option<Self> {
        match *value {
            SqlValue::Float(float) => Some(float),
            SqlValue::Integer(integer) => Some(integer as Self),
            _ => None,
        }
    }
}

impl SqlColumn<'_> for bool {
    fn from_sql(value: &SqlValue<'_>) -> Option<Self> {
        match *value {
            SqlValue::Bool(bool) => Some(bool),
            SqlValue::Integer(0) => Some(false),
            SqlValue::Integer(1) => Some(true),
            _ => None,
        }
    }
}

impl<'r> SqlColumn<'r> for &'r str {
    fn from_sql(value: &'r SqlValue<'_>) -> Option<Self> {
        match value {
            SqlValue::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl SqlColumn<'_> for String {
    fn from_sql(value: &SqlValue<'_>) -> Option<Self> {
        match value {
            SqlValue::Text(text) => Some(text.clone().into_owned()),
            SqlValue::Uuid(id) => Some(id.to_string()),
            _ => None,
        }
    }
}

impl<'r> SqlColumn<'r> for &'r [u8] {
    fn from_sql(value: &'r SqlValue<'_>) -> Option<Self> {
        match value {
            SqlValue::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl SqlColumn<'_> for Vec<u8> {
    fn from_sql(value: &SqlValue<'_>) -> Option<Self> {
        <&[u8]>::from_sql(value).map(<[u8]>::to_vec)
    }
}

impl SqlColumn<'_> for Uuid {
    fn from_sql(value: &SqlValue<'_>) -> Option<Self> {
        match value {
            SqlValue::Uuid(id) => Some(*id),
            SqlValue::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl SqlColumn<'_> for Timestamp {
    fn from_sql(value: &SqlValue<'_>) -> Option<Self> {
        match *value {
            SqlValue::Timestamp(time) => Some(time),
            SqlValue::Integer(micros) => Some(Self::from_micros(micros)),
            _ => None,
        }
    }
}

impl SqlColumn<'_> for Position {
    fn from_sql(value: &SqlValue<'_>) -> Option<Self> {
        u64::from_sql(value).map(Self::new)
    }
}

impl<'r, T: SqlColumn<'r>> SqlColumn<'r> for Option<T> {
    fn from_sql(value: &'r SqlValue<'_>) -> Option<Self> {
        if *value == SqlValue::Null { Some(None) } else { T::from_sql(value).map(Some) }
    }
}

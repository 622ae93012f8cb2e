//! What a statement takes.

use std::borrow::Cow;

use uuid::Uuid;

use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::sql::value::SqlValue;

/// A type whose values a statement takes as `$1`, `$2`, ..
///
/// ```
/// use factum::follow::{NotForSql, SqlParameter, SqlValue};
///
/// struct Cents(u64);
///
/// impl SqlParameter for Cents {
///     fn to_sql(&self) -> Result<SqlValue<'_>, NotForSql> {
///         self.0.to_sql()
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a statement can't take a `{Self}`",
    label = "not a value of SQL",
    note = "a statement takes integers, `f64`, `bool`, text, bytes, `Uuid`, `Timestamp`, `Position`, and `Option`s of these",
    note = "for another type, write `impl SqlParameter for {Self}`"
)]
pub trait SqlParameter {
    /// The value.
    ///
    /// Fails if a database can't keep it.
    fn to_sql(&self) -> Result<SqlValue<'_>, NotForSql>;
}

/// Why a database can't keep a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotForSql {
    /// A whole number is larger than those of a database.
    #[error("is more than 9223372036854775807, the largest whole number of a database")]
    TooLarge,
    /// A float that is no number: SQLite would keep NULL.
    #[error("is not a number (NaN), and SQLite can't keep it; give `None` instead")]
    NotANumber,
    /// Text has a NUL character, which PostgreSQL can't keep.
    #[error("has a NUL character, which PostgreSQL can't keep; give the bytes instead")]
    HasNul,
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl SqlParameter for $integer {
            fn to_sql(&self) -> Result<SqlValue<'_>, NotForSql> {
                i64::try_from(*self).map(SqlValue::Integer).map_err(|_| NotForSql::TooLarge)
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

impl SqlParameter for f64 {
    fn to_sql(&self) -> Result<SqlValue<'_>, NotForSql> {
        if self.is_nan() { Err(NotForSql::NotANumber) } else { Ok(SqlValue::Float(*self)) }
    }
}

impl SqlParameter for bool {
    fn to_sql(&self) -> Result<SqlValue<'_>, NotForSql> {
        Ok(SqlValue::Bool(*self))
    }
}

impl SqlParameter for str {
    fn to_sql(&self) -> Result<SqlValue<'_>, NotForSql> {
        if self.contains('\0') { Err(NotForSql::HasNul) } else { Ok(SqlValue::Text(Cow::Borrowed(self))) }
    }
}

impl SqlParameter for String {
    fn to_sql(&self) -> Result<SqlValue<'_>, NotForSql> {
        self.as_str().to_sql()
    }
}

impl SqlParameter for [u8] {
    fn to_sql(&self) -> Result<SqlValue<'_>, NotForSql> {
        Ok(SqlValue::Bytes(Cow::Borrowed(self)))
    }
}

impl SqlParameter for Vec<u8> {
    fn to_sql(&self) -> Result<SqlValue<'_>, NotForSql> {
        self.as_slice().to_sql()
    }
}

impl SqlParameter for Uuid {
    fn to_sql(&self) -> Result<SqlValue<'_>, NotForSql> {
        Ok(SqlValue::Uuid(*self))
    }
}

impl SqlParameter for Timestamp {
    fn to_sql(&self) -> Result<SqlValue<'_>, NotForSql> {
        Ok(SqlValue::Timestamp(*self))
    }
}

impl SqlParameter for Position {
    fn to_sql(&self) -> Result<SqlValue<'_>, NotForSql> {
        i64::try_from(self.get()).map(SqlValue::Integer).map_err(|_| NotForSql::TooLarge)
    }
}

impl SqlParameter for SqlValue<'_> {
    fn to_sql(&self) -> Result<SqlValue<'_>, NotForSql> {
        match self {
            Self::Text(text) => text.as_ref().to_sql(),
            Self::Bytes(bytes) => bytes.as_ref().to_sql(),
            Self::Float(float) => float.to_sql(),
            other => Ok(other.clone()),
        }
    }
}

impl<T: SqlParameter> SqlParameter for Option<T> {
    fn to_sql(&self) -> Result<SqlValue<'_>, NotForSql> {
        self.as_ref().map_or(Ok(SqlValue::Null), SqlParameter::to_sql)
    }
}

impl<T: SqlParameter + ?Sized> SqlParameter for &T {
    fn to_sql(&self) -> Result<SqlValue<'_>, NotForSql> {
        (**self).to_sql()
    }
}

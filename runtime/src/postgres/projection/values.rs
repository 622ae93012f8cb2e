//! Values of views in the forms that PostgreSQL takes and sends them in.

use std::borrow::Cow;
use std::error::Error;

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

use crate::domain::time::Timestamp;
use crate::follow::sql::value::SqlValue;
use crate::postgres::projection::numeric;

type Failure = Box<dyn Error + Send + Sync>;

/// The beginning of PostgreSQL's time, in microseconds since 1970.
const EPOCH: i64 = 946_684_800_000_000;

/// The value with this number of a statement, from 1.
#[derive(Debug)]
pub(super) struct Given<'v>(pub(super) usize, pub(super) &'v SqlValue<'v>);

impl ToSql for Given<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        let Self(number, value) = self;
        if **value == SqlValue::Null {
            return Ok(IsNull::Yes);
        }
        match put(value, ty, out) {
            Some(()) => Ok(IsNull::No),
            None => Err(format!(
                "the value ${number} is {value}, and the statement takes `{ty}` there: give that, or write \
                 `CAST(${number} AS ..)`"
            )
            .into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Writes a value as one of the type; `None` if it can't be one.
fn put(value: &SqlValue<'_>, ty: &Type, out: &mut BytesMut) -> Option<()> {
    match (value, ty) {
        (SqlValue::Bool(bool), &Type::BOOL) => out.put_u8((*bool).into()),
        (SqlValue::Bool(bool), _) => return put_integer((*bool).into(), ty, out),
        (SqlValue::Integer(integer), _) => return put_integer(*integer, ty, out),
        (SqlValue::Float(float), &Type::FLOAT8) => out.put_f64(*float),
        #[expect(clippy::cast_possible_truncation, reason = "as the column has this precision")]
        (SqlValue::Float(float), &Type::FLOAT4) => out.put_f32(*float as f32),
        (SqlValue::Float(float), &Type::NUMERIC) if float.is_finite() => {
            numeric::put(&float.to_string(), out);
        }
        (SqlValue::Text(text), ty) if is_text(ty) => out.put_slice(text.as_bytes()),
        (SqlValue::Bytes(bytes), &Type::BYTEA) => out.put_slice(bytes),
        (SqlValue::Uuid(id), &Type::UUID) => out.put_slice(id.as_bytes()),
        (SqlValue::Uuid(id), ty) if is_text(ty) => out.put_slice(id.to_string().as_bytes()),
        (SqlValue::Timestamp(time), &Type::TIMESTAMPTZ) => out.put_i64(time.as_micros().checked_sub(EPOCH)?),
        (SqlValue::Timestamp(time), &Type::INT8) => out.put_i64(time.as_micros()),
        _ => return None,
    }
    Some(())
}

fn put_integer(integer: i64, ty: &Type, out: &mut BytesMut) -> Option<()> {
    match *ty {
        Type::INT8 => out.put_i64(integer),
        Type::INT4 => out.put_i32(integer.try_into().ok()?),
        Type::INT2 => out.put_i16(integer.try_into().ok()?),
        Type::NUMERIC => numeric::put(&integer.to_string(), out),
        #[expect(clippy::cast_precision_loss, reason = "as SQLite converts numbers")]
        Type::FLOAT8 => out.put_f64(integer as f64),
        #[expect(clippy::cast_precision_loss, reason = "as SQLite converts numbers")]
        Type::FLOAT4 => out.put_f32(integer as f32),
        _ => return None,
    }
    Some(())
}

fn is_text(ty: &Type) -> bool {
    [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME, Type::UNKNOWN, Type::JSON].contains(ty)
}

/// A value of a row.
#[derive(Debug)]
pub(super) struct Read(pub(super) SqlValue<'static>);

impl<'r> FromSql<'r> for Read {
    fn from_sql(ty: &Type, raw: &'r [u8]) -> Result<Self, Failure> {
        Ok(Self(match *ty {
            Type::BOOL => SqlValue::Bool(bool::from_sql(ty, raw)?),
            Type::INT8 => SqlValue::Integer(i64::from_sql(ty, raw)?),
            Type::INT4 => SqlValue::Integer(i32::from_sql(ty, raw)?.into()),
            Type::INT2 => SqlValue::Integer(i16::from_sql(ty, raw)?.into()),
            Type::FLOAT8 => SqlValue::Float(f64::from_sql(ty, raw)?),
            Type::FLOAT4 => SqlValue::Float(f32::from_sql(ty, raw)?.into()),
            Type::NUMERIC => numeric::read(raw).ok_or("the server has sent no number")?,
            Type::BYTEA => SqlValue::Bytes(Cow::Owned(raw.to_vec())),
            Type::UUID => SqlValue::Uuid(Uuid::from_slice(raw)?),
            Type::TIMESTAMPTZ => {
                let since = i64::from_be_bytes(raw.try_into()?);
                SqlValue::Timestamp(Timestamp::from_micros(since.saturating_add(EPOCH)))
            }
            _ if is_text(ty) => SqlValue::Text(Cow::Owned(std::str::from_utf8(raw)?.to_owned())),
            _ => return Err(format!("it is of the type `{ty}`: write `CAST(.. AS TEXT)`").into()),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Failure> {
        Ok(Self(SqlValue::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

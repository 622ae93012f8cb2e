//! An array as a value of a statement.

use std::error::Error as StdError;
use std::ops::Deref;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// An array for the server, which gets NULL if no value is in it: the server takes arrays apart one by one, also those of
/// nulls.
#[derive(Debug)]
pub(super) struct Array<T> {
    values: Vec<T>,
    has_value: bool,
}

impl<T> Default for Array<T> {
    fn default() -> Self {
        Self { values: Vec::new(), has_value: false }
    }
}

impl<T> Array<T> {
    pub(super) fn push(&mut self, value: T) {
        self.values.push(value);
        self.has_value = true;
    }
}

impl<T> Array<Option<T>> {
    pub(super) fn push_optional(&mut self, value: Option<T>) {
        self.has_value |= value.is_some();
        self.values.push(value);
    }
}

impl<T> Deref for Array<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values
    }
}

impl<T: ToSql> ToSql for Array<T> {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Send + Sync>> {
        if self.has_value { self.values.to_sql(of, out) } else { Ok(IsNull::Yes) }
    }

    fn accepts(of: &Type) -> bool {
        Vec::<T>::accepts(of)
    }

    to_sql_checked!();
}

//! The words that all aggregates share: ids, money, and the lines of an order.

use std::fmt;

use factum::prelude::*;
use serde::{Deserialize, Serialize};

/// The number of an order. Its payment and its shipment have the same number.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, AggregateId, EventSchema,
)]
pub struct OrderId(pub String);

/// A kind of goods, as the warehouse names it.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, AggregateId, EventSchema,
)]
pub struct Sku(pub String);

impl OrderId {
    /// The number can stand in an address and on a parcel.
    pub fn is_well_formed(&self) -> Result<(), &'static str> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let all_fit = (1..=40).contains(&self.0.len()) && self.0.chars().all(fits);
        all_fit.then_some(()).ok_or("has 1 to 40 letters, digits and hyphens")
    }
}

impl From<&str> for OrderId {
    fn from(number: &str) -> Self {
        Self(number.to_owned())
    }
}

impl From<&str> for Sku {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

/// An amount of money in whole cents.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, EventSchema,
)]
#[serde(transparent)]
pub struct Cents(pub u64);

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad_integral(true, "", &format!("{}.{:02}", self.0 / 100, self.0 % 100))
    }
}

/// So many pieces of one kind of goods, at a price a piece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, EventSchema)]
pub struct Line {
    pub sku: Sku,
    pub quantity: u32,
    pub price: Cents,
}

/// The price of all lines; `None` if it does not fit.
pub fn total(lines: &[Line]) -> Option<Cents> {
    lines
        .iter()
        .try_fold(0_u64, |sum, line| sum.checked_add(line.price.0.checked_mul(line.quantity.into())?))
        // At most an integer of SQLite, so that a table can hold it.
        .filter(|sum| i64::try_from(*sum).is_ok())
        .map(Cents)
}

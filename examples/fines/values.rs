//! The values in events and commands: ids, days, amounts.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;
use std::str::FromStr;

use factum::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The number of a fine, as the police gave it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, AggregateId)]
pub struct FineId(pub String);

/// A day of the Italian calendar, like `2005-03-23`.
///
/// Not a [`Timestamp`], because legal deadlines count days, and midnight in Italy is still the day before in
/// UTC. A text is enough, because the domain only compares days, and ISO dates sort as text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub String);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An amount of money in whole cents: money is counted, not measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cents(pub u64);

impl Cents {
    /// Nothing.
    pub const ZERO: Self = Self(0);
}

/// Can't overflow: a parsed amount has at most nine digits before the point, so it would take a hundred
/// million amounts.
impl Add for Cents {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sum for Cents {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::add)
    }
}

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad_integral(true, "", &format!("{}.{:02}", self.0 / 100, self.0 % 100))
    }
}

/// A text that is not an amount of money.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not an amount in whole cents, like 36.0 or 49.25")]
pub struct NotAnAmount(String);

impl FromStr for Cents {
    type Err = NotAnAmount;

    fn from_str(text: &str) -> Result<Self, NotAnAmount> {
        let not_an_amount = || NotAnAmount(text.to_owned());
        let (euros, cents) = text.split_once('.').unwrap_or((text, "0"));
        // The log writes `36.0` for 36 euros: one digit after the point means tenths.
        let unit = match cents.len() {
            1 => 10,
            2 => 1,
            _ => return Err(not_an_amount()),
        };
        if !(1..=9).contains(&euros.len()) {
            return Err(not_an_amount());
        }
        // `parse` alone would accept a sign.
        let number = |digits: &str| {
            let all = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<u64>().ok().filter(|_| all).ok_or_else(not_an_amount)
        };
        Ok(Self(number(euros)? * 100 + number(cents)? * unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly() {
        for (text, cents) in
            [("36.0", 3_600), ("49.25", 4_925), ("6.71", 671), ("0.0", 0), ("7", 700), ("0.05", 5)]
        {
            assert_eq!(text.parse(), Ok(Cents(cents)));
        }
        assert_eq!(Cents(296_803).to_string(), "2968.03");
        assert_eq!(Cents(5).to_string(), "0.05");
    }

    #[test]
    fn what_is_not_in_whole_cents_is_no_amount() {
        for text in [
            "", ".", "1.", ".5", "6.715", "-5.0", "+5.0", "1.+5", "1.-5", "1,50", "1e3", "NaN", "1.2.3", "€5",
        ] {
            assert_eq!(text.parse::<Cents>(), Err(NotAnAmount(text.into())));
        }
        let too_much = "9".repeat(10);
        assert_eq!(too_much.parse::<Cents>(), Err(NotAnAmount(too_much)));
    }
}

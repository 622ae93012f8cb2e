//! PostgreSQL's numbers with any number of digits, which sums and averages of whole numbers are.

use std::fmt::Write as _;

use bytes::{BufMut as _, BytesMut};

use crate::follow::sql::value::SqlValue;

/// How many decimal digits are one digit of PostgreSQL.
const DIGITS: usize = 4;

const NEGATIVE: u16 = 0x4000;
const POSITIVE: u16 = 0;

/// Writes a decimal number without an exponent.
pub(super) fn put(decimal: &str, out: &mut BytesMut) {
    let (sign, unsigned) = match decimal.strip_prefix('-') {
        Some(unsigned) => (NEGATIVE, unsigned),
        None => (POSITIVE, decimal),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let filler = |part: &str| "0".repeat(part.len().next_multiple_of(DIGITS) - part.len());
    let text = format!("{}{whole}{fraction}{}", filler(whole), filler(fraction));
    let digits = text.as_bytes().chunks(DIGITS);
    out.put_u16(word(digits.len()));
    // The power of 10,000 that the first digit counts.
    out.put_u16(word(whole.len().div_ceil(DIGITS)).wrapping_sub(1));
    out.put_u16(sign);
    out.put_u16(word(fraction.len()));
    for digit in digits {
        out.put_u16(digit.iter().fold(0, |number, decimal| number * 10 + u16::from(decimal - b'0')));
    }
}

fn word(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// Reads a number: as a whole one if it is one and fits, otherwise as a float. `None` if the bytes are no number.
pub(super) fn read(raw: &[u8]) -> Option<SqlValue<'static>> {
    let mut words = raw.chunks_exact(2).filter_map(|word| word.try_into().ok()).map(u16::from_be_bytes);
    let (count, weight, sign, _) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let mut text = String::new();
    match sign {
        POSITIVE => {}
        NEGATIVE => text.push('-'),
        0xD000 => return Some(SqlValue::Float(f64::INFINITY)),
        0xF000 => return Some(SqlValue::Float(f64::NEG_INFINITY)),
        _ => return Some(SqlValue::Float(f64::NAN)),
    }
    let digits: Vec<u16> = words.collect();
    let (count, weight) = (i32::from(count), i32::from(weight.cast_signed()));
    let digit = |power: i32| {
        usize::try_from(weight - power).ok().and_then(|index| digits.get(index)).copied().unwrap_or(0)
    };
    for power in (0..=weight.max(0)).rev() {
        write!(text, "{:04}", digit(power)).ok()?;
    }
    let mut fraction = String::new();
    for power in 1..count - weight {
        write!(fraction, "{:04}", digit(-power)).ok()?;
    }
    if fraction.bytes().all(|digit| digit == b'0')
        && let Ok(integer) = text.parse()
    {
        return Some(SqlValue::Integer(integer));
    }
    format!("{text}.{fraction}").parse().ok().map(SqlValue::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(decimal: &str) -> SqlValue<'static> {
        let mut bytes = BytesMut::new();
        put(decimal, &mut bytes);
        read(&bytes).unwrap()
    }

    #[test]
    fn numbers_come_back() {
        for whole in [0, 1, -1, 9_999, 10_000, -10_001, 123_456_789, i64::MAX, i64::MIN] {
            assert_eq!(there_and_back(&whole.to_string()), SqlValue::Integer(whole));
        }
        for float in [0.5, -1.25, 1e-9, 12_345.678, 1e30, -1e-20, f64::MIN_POSITIVE] {
            assert_eq!(there_and_back(&float.to_string()), SqlValue::Float(float));
        }
        assert_eq!(there_and_back("5.0000"), SqlValue::Integer(5));
        assert_eq!(read(&[0, 1]), None);
    }

    /// What the server sends for `10000`, `0.0001`, `'NaN'` and `'-Infinity'`.
    #[test]
    fn the_servers_numbers_are_read() {
        let words =
            |words: &[u16]| read(&words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>());
        assert_eq!(words(&[1, 1, 0, 0, 1]), Some(SqlValue::Integer(10_000)));
        assert_eq!(words(&[1, u16::MAX, 0, 4, 1]), Some(SqlValue::Float(0.0001)));
        assert!(matches!(words(&[0, 0, 0xC000, 0]), Some(SqlValue::Float(float)) if float.is_nan()));
        assert_eq!(words(&[0, 0, 0xF000, 0]), Some(SqlValue::Float(f64::NEG_INFINITY)));
    }
}

//! The time type of events and metadata.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time, UTC, to the microsecond.
///
/// `Display`, `FromStr` and serde use RFC 3339. The text always has six digits after the second, so that texts
/// sort as times do. Texts with fewer digits are read as well. Conversions from and to [`SystemTime`] lead to
/// the types of any date library.
///
/// An offset in a text is used to compute the UTC time, and then dropped: midnight in Rome is 22:00 or 23:00
/// UTC of the day before. A domain that counts days should store days.
///
/// ```
/// use factum::Timestamp;
///
/// let time: Timestamp = "2005-03-23T00:00:00+01:00".parse()?;
/// assert_eq!(time.to_string(), "2005-03-22T23:00:00.000000Z");
/// assert_eq!(time.as_micros(), 1_111_532_400_000_000);
/// # Ok::<(), factum::InvalidTimestamp>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp {
    micros: i64,
}

/// A text that is not an RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a time like 2005-03-23T00:00:00+01:00: {reason}")]
#[non_exhaustive]
pub struct InvalidTimestamp {
    /// The text.
    pub text: String,
    /// What is wrong with the text.
    pub reason: String,
}

impl Timestamp {
    /// The current time of the system's clock.
    #[must_use]
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// The time `micros` microseconds after 1970-01-01T00:00:00Z; before that, if negative.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self { micros }
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.micros
    }

    /// The time so long after this one, or the last possible one.
    ///
    /// ```
    /// # use factum::Timestamp;
    /// let in_a_minute = Timestamp::now().after(std::time::Duration::from_secs(60));
    /// assert!(in_a_minute > Timestamp::now());
    /// ```
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        let delay = i64::try_from(delay.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.micros.saturating_add(delay))
    }

    /// The time from this one until `later`; zero if that is not later.
    pub(crate) fn until(self, later: Self) -> Duration {
        Duration::from_micros(u64::try_from(later.micros.saturating_sub(self.micros)).unwrap_or(0))
    }
}

impl From<SystemTime> for Timestamp {
    /// A time out of range, some 292,000 years away, becomes the nearest time in range.
    fn from(time: SystemTime) -> Self {
        let micros = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            // Rounded down, as times after 1970 are.
            Err(before) => i64::try_from(before.duration().as_nanos().div_ceil(1_000))
                .map_or(i64::MIN, std::ops::Neg::neg),
        };
        Self { micros }
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        let distance = Duration::from_micros(time.micros.unsigned_abs());
        let moved = if time.micros < 0 {
            SystemTime::UNIX_EPOCH.checked_sub(distance)
        } else {
            SystemTime::UNIX_EPOCH.checked_add(distance)
        };
        // Every `SystemTime` that Rust supports can hold these times. The epoch is only for one that can't.
        moved.unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

impl Timestamp {
    /// The time as RFC 3339 text; `None` if the year does not have four digits.
    fn rfc3339(self) -> Option<String> {
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.micros) * 1_000).ok()?;
        let (year, month, day) = time.to_calendar_date();
        let (hour, minute, second, micro) = time.to_hms_micro();
        let month = u8::from(month);
        (0..=9_999)
            .contains(&year)
            .then(|| format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micro:06}Z"))
    }
}

impl Serialize for Timestamp {
    /// Fails for years that RFC 3339 can't express: before 0 and after 9999.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.rfc3339() {
            Some(text) => serializer.serialize_str(&text),
            None => Err(serde::ser::Error::custom(format!("RFC 3339 has no text for {self}"))),
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rfc3339() {
            Some(text) => f.pad(&text),
            None => write!(f, "{}us since 1970", self.micros),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let invalid = |reason: String| InvalidTimestamp { text: text.to_owned(), reason };
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|error| invalid(error.to_string()))?;
        let micros = time.unix_timestamp_nanos().div_euclid(1_000);
        i64::try_from(micros).map(Self::from_micros).map_err(|error| invalid(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_neither_panic_nor_overflow() {
        for micros in [i64::MIN, -1, 0, 1, i64::MAX] {
            let time = Timestamp::from_micros(micros);
            assert!(!time.to_string().is_empty());
            assert_eq!(Timestamp::from(SystemTime::from(time)), time);
        }
        assert_eq!(Timestamp::from_micros(-1).to_string(), "1969-12-31T23:59:59.999999Z");
    }

    #[test]
    fn texts_sort_as_times_do() {
        let (second, day) = (1_000_000, 86_400_000_000);
        let mut micros: Vec<i64> = [0, 1, 10, 999_999, second, 60 * second, day, 365 * day, 100_000 * day]
            .into_iter()
            .flat_map(|micros| [micros, -micros])
            .chain([-62_167_219_200_000_000, 253_402_300_799_999_999])
            .collect();
        micros.sort_unstable();
        let texts: Vec<_> = micros.iter().map(|micros| Timestamp::from_micros(*micros).to_string()).collect();
        assert!(texts.is_sorted(), "{texts:?}");
        for (text, micros) in texts.iter().zip(micros) {
            assert_eq!(text.len(), "2005-03-22T23:00:00.000000Z".len(), "{text}");
            assert_eq!(text.parse(), Ok(Timestamp::from_micros(micros)));
            let json = serde_json::to_string(&Timestamp::from_micros(micros)).unwrap();
            assert_eq!(json, format!("\"{text}\""));
        }
        assert_eq!(texts.first().unwrap(), "0000-01-01T00:00:00.000000Z");
        assert_eq!(texts.last().unwrap(), "9999-12-31T23:59:59.999999Z");
    }

    #[test]
    fn a_time_before_1970_is_rounded_as_any_other() {
        let moment = SystemTime::UNIX_EPOCH - Duration::from_nanos(1_500);
        assert_eq!(Timestamp::from(moment), Timestamp::from_micros(-2));
        assert_eq!("1969-12-31T23:59:59.9999985Z".parse(), Ok(Timestamp::from_micros(-2)));
        let moment = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_500);
        assert_eq!(Timestamp::from(moment), Timestamp::from_micros(1));
    }

    #[test]
    fn offsets_and_spaces_are_understood() {
        for text in ["2005-03-23T00:00:00+01:00", "2005-03-23 00:00:00+01:00", "2005-03-22T23:00:00.000Z"] {
            assert_eq!(text.parse(), Ok(Timestamp::from_micros(1_111_532_400_000_000)), "{text}");
        }
    }

    #[test]
    fn serialized_as_text() {
        let time = Timestamp::from_micros(1);
        let json = serde_json::to_string(&time).unwrap();
        assert_eq!(json, r#""1970-01-01T00:00:00.000001Z""#);
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), time);
        assert!(serde_json::to_string(&Timestamp::from_micros(i64::MAX)).is_err());
        assert!(serde_json::from_str::<Timestamp>("7").is_err());
    }

    #[test]
    fn text_that_is_no_time_is_refused() {
        let error = "2005-03-23".parse::<Timestamp>().unwrap_err();
        assert!(error.to_string().starts_with("`2005-03-23` is not a time like"), "{error}");
    }
}

//! Points in time, as events keep them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time, UTC, to the microsecond.
///
/// Prints, parses, and is serialized as RFC 3339; converts from and to [`SystemTime`], and through that to the types
/// of any date library. An offset in a text is taken into account, not kept: midnight in Rome is an hour or two before
/// midnight here. A domain that counts days keeps days.
///
/// ```
/// use factum::Timestamp;
///
/// let time: Timestamp = "2005-03-23T00:00:00+01:00".parse()?;
/// assert_eq!(time.to_string(), "2005-03-22T23:00:00Z");
/// assert_eq!(time.as_micros(), 1_111_532_400_000_000);
/// # Ok::<(), factum::InvalidTimestamp>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp {
    micros: i64,
}

/// A text that is no RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a time like 2005-03-23T00:00:00+01:00: {reason}")]
#[non_exhaustive]
pub struct InvalidTimestamp {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Timestamp {
    /// The present time, by the system's clock.
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// The time `micros` microseconds after 1970-01-01T00:00:00Z; before it, if negative.
    pub const fn from_micros(micros: i64) -> Self {
        Self { micros }
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn as_micros(self) -> i64 {
        self.micros
    }
}

impl From<SystemTime> for Timestamp {
    /// Times that 64 bits of microseconds can't hold (some 292,000 years away) become the nearest that they can.
    fn from(time: SystemTime) -> Self {
        let micros = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, std::ops::Neg::neg),
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
        // No system clock known to Rust is too narrow for these; one that is gets the epoch.
        moved.unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

impl Timestamp {
    /// RFC 3339 has years of four digits only.
    fn rfc3339(self) -> Option<String> {
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.micros) * 1_000).ok()?;
        time.format(&Rfc3339).ok()
    }
}

impl Serialize for Timestamp {
    /// Fails for years that RFC 3339 can't write: before 0 and after 9999.
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

/// A moment in the life of an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Right after the event of this version.
    Version(u64),
    /// At this time: after the last event before the first one that was recorded later.
    Time(Timestamp),
}

impl From<u64> for Moment {
    fn from(version: u64) -> Self {
        Self::Version(version)
    }
}

impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        Self::Time(time)
    }
}

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        Self::Time(time.into())
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "version {version}"),
            Self::Time(time) => fmt::Display::fmt(time, f),
        }
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

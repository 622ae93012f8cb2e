//! Why an event can't be encoded as JSON, or decoded from JSON.

use crate::domain::error::BoxError;
use crate::domain::event::Event;

/// An event that can't be stored, or a command that can't be kept for a timer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// serde can't write the event as JSON.
    #[error("the event `{name}` can't be written as JSON")]
    #[non_exhaustive]
    Json {
        /// The event's name.
        name: &'static str,
        /// serde's own error.
        source: serde_json::Error,
    },
    /// The event could not be read again: its JSON does not fit its own shape.
    ///
    /// Two examples: serde writes a `NaN` as `null`, which is not a number; a field is skipped when written
    /// and has no default when read.
    #[error("the event `{name}` could not be read again")]
    #[non_exhaustive]
    Unreadable {
        /// The event's name.
        name: &'static str,
        /// The error of the attempt to read the JSON.
        source: Box<DecodeError>,
    },
    /// The event is read back as several events or as none, as only a retired event may be.
    #[error(
        "the event `{name}` is read back as {count} events: an aggregate can't emit an event that it has retired"
    )]
    #[non_exhaustive]
    ReadAsOthers {
        /// The event's name.
        name: &'static str,
        /// How many events it is read back as.
        count: usize,
    },
    /// A command that a timer is to send can't be written as JSON.
    #[error("the command `{name}` can't be written as JSON")]
    #[non_exhaustive]
    Command {
        /// The command's name.
        name: &'static str,
        /// Why.
        source: BoxError,
    },
}

impl EncodeError {
    /// The error of [`Event::encode`] for an `E` that serde can't write as JSON.
    #[must_use]
    pub fn json<E: Event>(source: serde_json::Error) -> Self {
        Self::Json { name: E::NAME, source }
    }
}

impl DecodeError {
    /// The error of [`Event::decode`] for a payload that does not fit `version` of the event `E`.
    #[must_use]
    pub fn payload<E: Event>(version: u32, source: serde_json::Error) -> Self {
        Self::Payload { name: E::NAME, version, source }
    }

    /// The error of [`Event::decode`] for a `version` that the event `E` can't read.
    #[cold]
    #[must_use]
    pub fn version<E: Event>(version: u32) -> Self {
        if version > E::VERSION {
            Self::NewerVersion { name: E::NAME, version, known: E::VERSION }
        } else {
            Self::UnreadableVersion { name: E::NAME, version, current: E::VERSION }
        }
    }
}

/// A stored event that this code can't read. Readers never skip such an event: they report this error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// No event of the aggregate has this name, or had it earlier.
    #[error("no event of the aggregate is stored under the name `{name}` (version {version})")]
    #[non_exhaustive]
    UnknownName {
        /// The stored name.
        name: String,
        /// The stored version.
        version: u32,
    },
    /// No time-out of the process has this name, or had it earlier.
    #[error("no time-out of the process is stored under the name `{name}` (version {version})")]
    #[non_exhaustive]
    UnknownTimeout {
        /// The stored name.
        name: String,
        /// The stored version.
        version: u32,
    },
    /// The version is newer than this program: a newer program stored the event.
    #[error("version {version} of `{name}` is newer than version {known}, the newest this program knows")]
    #[non_exhaustive]
    NewerVersion {
        /// The event's name.
        name: &'static str,
        /// The stored version.
        version: u32,
        /// The newest version this program knows.
        known: u32,
    },
    /// The version is old, and the event does not declare how to read it.
    #[error("`{name}` is at version {current} and declares no way to read its version {version}")]
    #[non_exhaustive]
    UnreadableVersion {
        /// The event's name.
        name: &'static str,
        /// The stored version.
        version: u32,
        /// The current version.
        current: u32,
    },
    /// The payload does not fit the shape of that version.
    #[error("the payload of `{name}` version {version} does not fit")]
    #[non_exhaustive]
    Payload {
        /// The event's name.
        name: &'static str,
        /// The stored version.
        version: u32,
        /// serde's own error, with line and column inside the payload.
        source: serde_json::Error,
    },
    /// The payload fits its version and can't be converted to the current one.
    ///
    /// A `try_with`, the `TryFrom` of a previous struct, or an `#[upcast]` function has failed.
    #[error(
        "`{name}` version {version} can't be read as version {current}{}",
        field.map(|field| format!(" (field `{field}`)")).unwrap_or_default()
    )]
    #[non_exhaustive]
    Upcast {
        /// The event's name.
        name: &'static str,
        /// The stored version.
        version: u32,
        /// The current version.
        current: u32,
        /// The field that can't be converted; `None` if the conversion is of the whole event.
        field: Option<&'static str>,
        /// The conversion's own error.
        source: BoxError,
    },
}

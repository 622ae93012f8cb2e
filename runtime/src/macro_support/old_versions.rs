//! Decoding of events that were stored at an older version.

use serde::de::DeserializeOwned;

use crate::domain::codec_error::DecodeError;
use crate::domain::error::BoxError;
use crate::domain::event::Event;

/// Reads the event `E` at an older `version`, as the private struct `T` that the derive generates for it.
pub fn decode_older<E: Event, T: DeserializeOwned>(version: u32, payload: &str) -> Result<T, DecodeError> {
    serde_json::from_str(payload).map_err(|source| DecodeError::payload::<E>(version, source))
}

/// The error for a version that the event `E` does not declare how to read.
#[cold]
pub fn unreadable<E: Event>(version: u32) -> Result<E, DecodeError> {
    Err(DecodeError::version::<E>(version))
}

/// Reads the event `E` at a version of its previous struct `P`, and converts that.
pub fn decode_previous<E, P>(version: u32, payload: &str) -> Result<E, DecodeError>
where
    P: Event + TryInto<E, Error: Into<BoxError>>,
    E: Event,
{
    let previous = P::decode(version, payload).map_err(|error| match error {
        // The error names the current version of `E`, not that of `P`.
        DecodeError::Upcast { field, source, .. } => upcast_failed::<E>(version, field, source),
        other => other,
    })?;
    previous.try_into().map_err(|error| upcast_failed::<E>(version, None, error.into()))
}

/// Converts the old value of a field to the new one.
pub fn convert_field<Old, New>(with: impl FnOnce(Old) -> New, old: Old) -> New {
    with(old)
}

/// What a conversion fails with.
#[diagnostic::on_unimplemented(
    message = "a conversion can't fail with `{Self}`, which is no error",
    label = "its error `{Self}` does not implement `std::error::Error`",
    note = "derive `thiserror::Error` for `{Self}`, or return a `String` as the error"
)]
pub trait ConversionError: Into<BoxError> {}

#[diagnostic::do_not_recommend]
impl<X: Into<BoxError>> ConversionError for X {}

/// Converts the old value of `field` to the new one, with a function that can fail.
pub fn try_convert_field<E: Event, Old, New, X: ConversionError>(
    version: u32,
    field: &'static str,
    with: impl FnOnce(Old) -> Result<New, X>,
    old: Old,
) -> Result<New, DecodeError> {
    with(old).map_err(|error| upcast_failed::<E>(version, Some(field), error.into()))
}

#[cold]
pub(super) fn upcast_failed<E: Event>(
    version: u32,
    field: Option<&'static str>,
    source: BoxError,
) -> DecodeError {
    DecodeError::Upcast { name: E::NAME, version, current: E::VERSION, field, source }
}

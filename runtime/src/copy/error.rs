//! Why a store can't be copied.

use crate::domain::error::BoxError;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::store::error::{AppendError, StoreError};

/// A copy was not finished. What it has appended stays: after another reason than the target, run it again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The source can't be read.
    #[error("the source can't be read")]
    Source(#[source] StoreError),
    /// The target can't be read.
    #[error("the target can't be read")]
    Target(#[source] StoreError),
    /// The target takes no events or keys.
    #[error("the target can't be written to")]
    Append(#[source] AppendError),
    /// The target has an event that the copy would not have there.
    ///
    /// It is no copy of the source, or one by another function, or the source was changed. Copy into an empty store.
    #[error(
        "the target has another event at position {position} than the copy of the event of {stream} at position {source_position}: \
         the {part} differs; copy into an empty store, or go on with the source and the function that the target was made with"
    )]
    #[non_exhaustive]
    OtherEvents {
        /// The position in the target.
        position: Position,
        /// The position of the event in the source.
        source_position: Position,
        /// The stream of the event in the source.
        stream: StreamName,
        /// What differs: the id, the stream, the payload, or another part.
        part: &'static str,
    },
    /// The target has events after those of the source.
    ///
    /// Another program has appended to the target, or it is no copy of this source. Copy into an empty store.
    #[error(
        "the target goes on up to position {newest}, but the copy of the source ends at {end}: stop what appends to the target, and \
         copy into an empty store"
    )]
    #[non_exhaustive]
    MoreEvents {
        /// The position in the target at which the copy of the source ends.
        end: Position,
        /// The position of the target's newest event.
        newest: Position,
    },
    /// The target lacks an event that was copied to it.
    #[error(
        "the target has no event at position {position} any more, though it was copied: check the target's disk, and copy again"
    )]
    #[non_exhaustive]
    Missing {
        /// The position in the target.
        position: Position,
    },
    /// Another program appends to the target: this copy, run a second time, or a program that uses the target already.
    #[error(
        "another program appends to the target, beside the copy of the event of {stream} at position {position} of the source: \
         stop it, and run the copy again"
    )]
    #[non_exhaustive]
    OtherWriter {
        /// The position in the source of the event that was to be copied.
        position: Position,
        /// Its stream.
        stream: StreamName,
        /// The target's refusal; `None` if it has stored the event at another position.
        #[source]
        refusal: Option<Box<AppendError>>,
    },
    /// The target has another outcome for an idempotency key.
    #[error(
        "the target has another outcome for the idempotency key `{key}` of {stream} than the copy: copy into an empty store, with one \
         function from the beginning"
    )]
    #[non_exhaustive]
    OtherKey {
        /// The stream.
        stream: StreamName,
        /// The key.
        key: String,
    },
    /// The function that changes events has failed.
    #[error("the event of {stream} at position {position} can't be changed")]
    #[non_exhaustive]
    Change {
        /// The position in the source.
        position: Position,
        /// The stream.
        stream: StreamName,
        /// The function's own error.
        source: BoxError,
    },
    /// The function that changes events has written a payload that is no JSON.
    #[error("the event of {stream} at position {position} was changed to a payload that is no JSON")]
    #[non_exhaustive]
    NotJson {
        /// The position in the source.
        position: Position,
        /// The stream.
        stream: StreamName,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The callback of [`on_progress`](crate::copy::StoreCopy::on_progress) has ended the copy.
    #[error("the copy was stopped after position {position} of the source; run it again to resume")]
    #[non_exhaustive]
    Stopped {
        /// The position in the source of the last event that was dealt with.
        position: Position,
    },
}

//! Panics of the user's code, as errors.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// The error of a handler that panicked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the handler panicked: {message}")]
#[non_exhaustive]
pub struct HandlerPanicked {
    /// The panic's own message.
    pub message: String,
}

/// Runs the user's code and returns a panic as an error. Changes made before the panic remain.
pub(crate) fn catch_panic<T>(work: impl FnOnce() -> T) -> Result<T, HandlerPanicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        HandlerPanicked { message: text.unwrap_or("without a message").to_owned() }
    })
}

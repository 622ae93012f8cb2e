//! What becomes of a command or an event that a hook does not let pass.

use crate::domain::error::BoxError;

/// A hook of the application has not let a command or an event pass, or has panicked.
///
/// It is no refusal: the aggregate was not asked. See [`Hook`](crate::application::Hook).
#[derive(Debug, thiserror::Error)]
#[error("denied by the hook `{hook}`")]
#[non_exhaustive]
pub struct Denied {
    /// The hook: the name of its field in the application.
    pub hook: &'static str,
    /// The hook's own error. A panic is a [`HandlerPanicked`](crate::follow::HandlerPanicked).
    pub source: BoxError,
}

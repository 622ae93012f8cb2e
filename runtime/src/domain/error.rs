//! Errors of the user's code, of any type, and errors as text.

use std::error::Error;
use std::fmt::Write as _;

/// An error of any type, as a handler may return it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// An error with its causes, in one line: for a message to a person, or for a log.
///
/// factum's errors say what failed and where; the reason is their [`source`](Error::source). An error
/// reporter such as `anyhow` prints both. This function does so without a reporter.
///
/// ```
/// use factum::prelude::*;
///
/// let error = SqliteStore::open("/no/such/folder/bank.db").unwrap_err();
/// assert_eq!(error.to_string(), "can't open /no/such/folder/bank.db");
/// assert!(factum::with_causes(&error).starts_with("can't open /no/such/folder/bank.db: unable to open"));
/// ```
#[must_use]
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let _ = write!(text, ": {error}");
        next = error.source();
    }
    text
}

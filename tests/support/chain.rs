//! Errors with their causes.

use std::error::Error;

/// The messages of an error and of its causes, outermost first.
pub(crate) fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

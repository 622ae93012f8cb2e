//! Errors with their causes.

use std::error::Error;

/// What an error and its causes say, from the outermost on.
pub(crate) fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

//! Errors of the user's code, of any type, and errors as text.

use std::error::Error;
use std::fmt::Write as _;
use std::{fmt, iter, ptr};

use crate::domain::panic::catch_panic;

/// An error of any type, as a handler may return it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// How many causes of an error are looked at. A chain that is longer may be endless.
const MOST_CAUSES: usize = 64;

/// How many bytes the text of one error has at most.
const LONGEST_TEXT: usize = 16 * 1024;

/// An error with its causes, in one line: for a message to a person, or for a log.
///
/// factum's errors say what failed and where; the reason is their [`source`](Error::source). An error
/// reporter such as `anyhow` prints both. This function does so without a reporter.
///
/// The text ends after 64 causes, and where the causes form a circle. An error that panics instead of giving
/// its text or its cause is contained.
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
    let mut seen: Vec<(&dyn Error, String)> = Vec::new();
    for error in causes(error) {
        let text = text_of(error);
        // The text too, as errors without fields can share an address.
        if seen.iter().any(|(earlier, said)| ptr::addr_eq(*earlier, error) && *said == text) {
            break;
        }
        seen.push((error, text));
    }
    seen.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(": ")
}

/// An error and its causes. The chain ends after [`MOST_CAUSES`], or at an error that panics instead of giving
/// its cause.
pub(crate) fn causes<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    let cause = |error: &&'e (dyn Error + 'static)| {
        let error: &'e (dyn Error + 'static) = *error;
        catch_panic(|| error.source()).ok().flatten()
    };
    iter::successors(Some(error), cause).take(MOST_CAUSES)
}

/// The text of an error of the user's code, whatever its `Display` does.
fn text_of(error: &dyn Error) -> String {
    let mut text = BoundedText(String::new());
    match catch_panic(|| write!(text, "{error}")) {
        Ok(_) => text.0,
        Err(panic) => format!("an error whose text can't be shown ({panic})"),
    }
}

/// A text that refuses what would make it too long.
struct BoundedText(String);

impl fmt::Write for BoundedText {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let left = LONGEST_TEXT - self.0.len();
        let end = more.floor_char_boundary(left);
        self.0.push_str(more.get(..end).unwrap_or_default());
        if end < more.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error of the user's code that does what it should not.
    #[derive(Debug)]
    enum Hostile {
        /// Its cause is itself.
        Circle,
        /// It has a new cause each time.
        Endless(u32),
        SourcePanics,
        DisplayPanics,
        LongText,
    }

    impl fmt::Display for Hostile {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self {
                Self::DisplayPanics => panic!("no text"),
                Self::LongText => (0..u32::MAX).try_for_each(|_| f.write_str("äh, ")),
                other => write!(f, "{other:?}"),
            }
        }
    }

    impl Error for Hostile {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            match self {
                Self::Circle => Some(self),
                Self::Endless(depth) => Some(Box::leak(Box::new(Self::Endless(depth + 1)))),
                Self::SourcePanics => panic!("no cause"),
                Self::DisplayPanics | Self::LongText => None,
            }
        }
    }

    #[test]
    fn the_text_of_any_error_ends() {
        assert_eq!(with_causes(&Hostile::Circle), "Circle");
        assert!(with_causes(&Hostile::Endless(0)).ends_with("Endless(63)"));
        assert_eq!(with_causes(&Hostile::SourcePanics), "SourcePanics");
        assert!(with_causes(&Hostile::DisplayPanics).ends_with("(the handler panicked: no text)"));
        assert!(with_causes(&Hostile::LongText).starts_with("äh, "));
    }
}

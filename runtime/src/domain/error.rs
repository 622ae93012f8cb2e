//! Errors of the user's code, of any type, and errors as text.

use std::error::Error;
use std::fmt::Write as _;
use std::{fmt, iter, ptr};

use crate::domain::panic::catch_panic;

/// An error of any type, as a handler may return it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// How many causes of an error are looked at. A chain that is longer may be endless.
const MOST_CAUSES: usize = 64;

/// About how many bytes the text of an error with its causes has at most.
const LONGEST_TEXT: usize = 16 * 1024;

/// An error with its causes, in one line: for a message to a person, or for a log.
///
/// factum's errors say what failed and where; the reason is their [`source`](Error::source). An error
/// reporter such as `anyhow` prints both. This function does so without a reporter.
///
/// A [`BoxError`] is given as `&*error`.
///
/// The text ends after 64 causes or 16 KiB, and where the causes form a circle. An error that panics instead of giving
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
    let mut left = LONGEST_TEXT;
    for error in causes(error) {
        let text = text_of(error, left);
        // The text too, as errors without fields can share an address.
        if seen.iter().any(|(earlier, said)| ptr::addr_eq(*earlier, error) && *said == text) {
            break;
        }
        left = left.saturating_sub(text.len());
        seen.push((error, text));
        if left == 0 {
            break;
        }
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
fn text_of(error: &dyn Error, longest: usize) -> String {
    let mut text = BoundedText { text: String::new(), left: longest };
    match catch_panic(|| write!(text, "{error}")) {
        Ok(_) => text.text,
        Err(panic) => format!("an error whose text can't be shown ({panic})"),
    }
}

/// A text that refuses what would make it too long.
struct BoundedText {
    text: String,
    left: usize,
}

impl fmt::Write for BoundedText {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let end = more.floor_char_boundary(self.left);
        self.text.push_str(more.get(..end).unwrap_or_default());
        if end < more.len() {
            // The rest is shorter than a character.
            self.text.push_str(" ..");
            self.left = 0;
            return Err(fmt::Error);
        }
        self.left -= end;
        Ok(())
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
        let long = with_causes(&Hostile::LongText);
        assert!(long.starts_with("äh, ") && long.ends_with(" ..") && long.len() <= LONGEST_TEXT + 3);
    }
}

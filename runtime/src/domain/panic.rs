//! Panics of the user's code, as errors.

use std::any::Any;
use std::mem;
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
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let message = panic_message(&*payload).to_owned();
        discard(payload);
        HandlerPanicked { message }
    })
}

/// The message of a panic.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

/// Drops a value of the user's code. If its destructor panics, the panic ends here.
pub(crate) fn discard<T>(value: T) {
    // The payload of that panic may panic when it is dropped, and so on. The second one is never dropped.
    if let Err(first) = catch_unwind(AssertUnwindSafe(|| drop(value)))
        && let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(first)))
    {
        mem::forget(second);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::*;

    /// A payload whose destructor panics with another one, as often as the number says.
    struct Bomb(u32);

    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0 > 0 {
                panic_any(Bomb(self.0 - 1));
            }
        }
    }

    #[test]
    fn a_payload_that_panics_is_contained() {
        for bombs in 0..4 {
            let error = catch_panic(|| panic_any(Bomb(bombs))).unwrap_err();
            assert_eq!(error.message, "without a message");
        }
    }
}

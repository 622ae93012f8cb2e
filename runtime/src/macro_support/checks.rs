//! What a derived command checks itself with: the functions in its `#[validate(..)]` attributes.

use crate::domain::command::Command;
use crate::domain::error::BoxError;
use crate::domain::invalid_command::InvalidCommand;

/// The failures of a command's checks so far.
#[derive(Debug, Default)]
pub struct Checks(Vec<(Option<&'static str>, BoxError)>);

impl Checks {
    /// No failures.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what the check of a field has returned; without a field, that of the whole command.
    pub fn add(&mut self, field: Option<&'static str>, found: impl Checked) {
        self.0.extend(found.failure().map(|cause| (field, cause)));
    }

    /// Fails if a check has failed.
    pub fn result<C: Command>(self) -> Result<(), InvalidCommand> {
        if self.0.is_empty() { Ok(()) } else { Err(InvalidCommand::new::<C>(self.0)) }
    }
}

/// What the function in `#[validate(..)]` returns.
#[diagnostic::on_unimplemented(
    message = "a function in `#[validate(..)]` can't return `{Self}`",
    label = "does not return `Result<(), E>`",
    note = "return `Result<(), E>`, where `E` is an error or a text: what is wrong with the value",
    note = "a check is not async: it looks at the command alone, and waits for nothing; ask others before the command, or in a hook"
)]
pub trait Checked {
    /// What is wrong, if anything is.
    fn failure(self) -> Option<BoxError>;
}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxError>> Checked for Result<(), E> {
    fn failure(self) -> Option<BoxError> {
        self.err().map(Into::into)
    }
}

//! Why a command is not valid in itself, whatever the state of its aggregate.

use std::fmt;

use crate::domain::command::Command;
use crate::domain::error::{BoxError, with_causes};

/// A command that the checks of its [`#[validate]`](Command#validation) attributes have found invalid. Nothing was read or stored.
#[derive(Debug)]
#[non_exhaustive]
pub struct InvalidCommand {
    /// The command's name.
    pub command: &'static str,
    /// Each check that has failed, in the order of the fields; those of the struct itself come last. At least one.
    pub failures: Vec<InvalidField>,
}

/// A check that has failed.
#[derive(Debug)]
#[non_exhaustive]
pub struct InvalidField {
    /// The field's name, as it is written; `None` if the check is one of the whole command.
    pub field: Option<&'static str>,
    /// The error of the check.
    pub cause: BoxError,
}

impl InvalidCommand {
    /// The error of a command of type `C` with these failures, each with the field that it is about.
    ///
    /// For a [`Command::validate`] that is written by hand.
    #[must_use]
    pub fn new<C: Command>(failures: impl IntoIterator<Item = (Option<&'static str>, BoxError)>) -> Self {
        let failures = failures.into_iter().map(|(field, cause)| InvalidField { field, cause }).collect();
        Self { command: C::NAME, failures }
    }
}

impl fmt::Display for InvalidField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = with_causes(&*self.cause);
        match self.field {
            Some(field) => write!(f, "`{field}`: {cause}"),
            None => f.write_str(&cause),
        }
    }
}

impl fmt::Display for InvalidCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the command `{}` is invalid", self.command)?;
        for (index, failure) in self.failures.iter().enumerate() {
            write!(f, "{} {failure}", if index == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

// Several causes can't be one `source`: they are in the text.
impl std::error::Error for InvalidCommand {}

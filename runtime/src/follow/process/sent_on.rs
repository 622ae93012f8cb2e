//! What a process sends, and on what: for the model of an application.

use crate::domain::emitted::Emitted;

/// What a process sends on one occasion.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SentOn {
    /// The name of the event, the time-out, or the command that was refused.
    pub on: &'static str,
    /// Whether it is the refusal of a command.
    pub is_refusal: bool,
    /// The names of the commands that it sends, and how many.
    pub sends: Emitted,
}

impl SentOn {
    /// What a process sends on what has this name.
    #[must_use]
    pub const fn new(on: &'static str, sends: Emitted) -> Self {
        Self { on, is_refusal: false, sends }
    }

    /// What a process sends when the command of this name is refused.
    #[must_use]
    pub const fn refusal(command: &'static str, sends: Emitted) -> Self {
        Self { on: command, is_refusal: true, sends }
    }
}

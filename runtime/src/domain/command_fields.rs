//! The fields of a command, for the model.

/// The name and the type of each field of a command, as they are written.
// A text, and no list: rustc reads it faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandFields(&'static str);

impl CommandFields {
    /// The fields in a text with a line for each, as `owner: String`.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self(text)
    }

    /// The name and the type of each field, in order.
    pub fn iter(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.0.lines().filter_map(|line| line.split_once(": "))
    }
}

//! What a derived command can do by its own traits.

use crate::domain::content::Content;

/// What serde makes of a command.
#[derive(Debug)]
pub struct SerializeCommand<C> {
    /// Hashes what serde sees.
    pub(crate) hash: fn(&C) -> Option<Content>,
    /// Writes it as JSON.
    pub(crate) write: fn(&C) -> Result<serde_json::Value, serde_json::Error>,
}

/// How a command is read from JSON.
pub type ReadCommand<C> = fn(json: &str) -> Result<C, serde_json::Error>;

/// Copies a command.
pub(crate) type CopyCommand<C> = fn(&C) -> C;

/// What `derive(Command)` says of a struct.
#[derive(Debug)]
pub struct CommandTraits<C> {
    /// The name of the struct.
    pub name: &'static str,
    /// A hash of the names, types and serde attributes of its fields.
    pub shape: u64,
    /// The hash of what serde sees of the command, and its JSON, if it is `Serialize`.
    pub content: Option<SerializeCommand<C>>,
    /// A copy of the command, if it is `Clone`.
    pub copy: Option<CopyCommand<C>>,
}

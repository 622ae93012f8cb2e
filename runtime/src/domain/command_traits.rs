//! What a derived command can do by its own traits.

use crate::domain::content::Content;

/// Hashes what serde sees of a command.
pub(crate) type HashCommand<C> = fn(&C) -> Option<Content>;

/// How a command is read from JSON.
pub type ReadCommand<C> = fn(json: &str) -> Result<C, serde_json::Error>;

/// Copies a command.
pub(crate) type CopyCommand<C> = fn(&C) -> C;

/// What `derive(Command)` says of a struct.
#[derive(Debug)]
pub struct CommandTraits<C> {
    /// The name of the struct.
    pub name: &'static str,
    /// The name and the type of each field.
    pub fields: &'static [(&'static str, &'static str)],
    /// Whether only the program itself sends the command.
    pub internal: bool,
    /// A hash of the names, types and serde attributes of its fields.
    pub shape: u64,
    /// The hash of what serde sees of the command, if it is `Serialize`.
    pub content: Option<HashCommand<C>>,
    /// How the command is read, if it is `Deserialize`.
    pub read: Option<ReadCommand<C>>,
    /// A copy of the command, if it is `Clone`.
    pub copy: Option<CopyCommand<C>>,
}

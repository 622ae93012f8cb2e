//! What a derived command can do by its own traits.

use crate::domain::command_fields::CommandFields;
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
    pub(crate) name: &'static str,
    /// A hash of the names, types and serde attributes of its fields.
    pub(crate) shape: u64,
    /// The fields as they are written.
    pub(crate) fields: CommandFields,
    /// How the command is read from JSON, if it is `Deserialize`.
    pub(crate) read: Option<ReadCommand<C>>,
    /// The hash of what serde sees of the command, and its JSON, if it is `Serialize`.
    pub(crate) content: Option<SerializeCommand<C>>,
    /// A copy of the command, if it is `Clone`.
    pub(crate) copy: Option<CopyCommand<C>>,
}

impl<C> CommandTraits<C> {
    /// All of it, for a constant.
    #[must_use]
    pub const fn of(
        name: &'static str,
        shape: u64,
        fields: &'static str,
        read: Option<ReadCommand<C>>,
        content: Option<SerializeCommand<C>>,
        copy: Option<CopyCommand<C>>,
    ) -> Option<Self> {
        Some(Self { name, shape, fields: CommandFields::new(fields), read, content, copy })
    }
}

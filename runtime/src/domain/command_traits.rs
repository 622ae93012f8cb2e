//! What a derived command can do by its own traits.

/// Hashes what serde sees of a command.
pub(crate) type HashCommand<C> = fn(&C) -> Option<u64>;

/// Copies a command.
pub(crate) type CopyCommand<C> = fn(&C) -> C;

/// What `derive(Command)` says of a struct.
#[derive(Debug)]
pub struct CommandTraits<C> {
    /// The name of the struct.
    pub name: &'static str,
    /// A hash of the names, types and serde attributes of its fields.
    pub shape: u64,
    /// The hash of what serde sees of the command, if it is `Serialize`.
    pub content: Option<HashCommand<C>>,
    /// A copy of the command, if it is `Clone`.
    pub copy: Option<CopyCommand<C>>,
}

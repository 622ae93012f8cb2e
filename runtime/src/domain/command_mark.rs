//! What an idempotency key remembers of its command, to tell it from another one.

use std::borrow::Cow;
use std::fmt::Debug;

use crate::domain::content::hash_of_debug;
use crate::domain::hash::mixed;

/// What an idempotency key remembers of its command: the name, and hashes of shape and content.
///
/// A key that comes with another command is an error,
/// [`ExecuteError::KeyReused`](crate::ExecuteError::KeyReused). Another command is one
///
/// * of another name, or
/// * of the same name and shape, with another content.
///
/// If the shape differs, the program has changed since, and the contents cannot be compared. Such a command
/// counts as the first one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandMark {
    /// The name of the command's struct.
    pub name: Cow<'static, str>,
    /// A hash of the names, types and serde attributes of the struct's fields.
    pub shape: u64,
    /// A hash of the fields' values.
    pub content: u64,
}

impl CommandMark {
    /// The mark of a command with this name, and these hashes of its shape and content.
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>, shape: u64, content: u64) -> Self {
        Self { name: name.into(), shape, content }
    }

    /// Whether a command with the mark `other` is certainly another command.
    #[must_use]
    pub fn is_another(&self, other: &Self) -> bool {
        self.name != other.name || (self.shape == other.shape && self.content != other.content)
    }

    /// The mark of a command whose content is `serialized` or, without that, its `Debug` text.
    pub(crate) fn of<C: Debug>(command: &C, name: &'static str, shape: u64, serialized: Option<u64>) -> Self {
        // The two kinds of hashes can't be compared, so they make two shapes.
        let shape = mixed(shape, serialized.is_some().into());
        Self::new(name, shape, serialized.unwrap_or_else(|| hash_of_debug(command)))
    }
}

/// The last part of a type's path.
pub(crate) fn type_name<T: ?Sized>() -> &'static str {
    let path = std::any::type_name::<T>();
    let path = path.split('<').next().unwrap_or(path);
    path.rsplit("::").next().unwrap_or(path)
}

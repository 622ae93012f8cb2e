//! What an idempotency key remembers of its command, to tell it from another one.

use std::borrow::Cow;
use std::fmt::Debug;

use crate::domain::content::of_debug::content_of_debug;
use crate::domain::content::{Content, have_other_fields};
use crate::domain::hash::mixed;

/// What an idempotency key remembers of its command: the name, and hashes of shape and content.
///
/// A key that comes with another command is an error,
/// [`ExecuteError::KeyReused`](crate::ExecuteError::KeyReused). Another command is one
///
/// * of another name, or
/// * of the same name and shape, with another content.
///
/// If the shape differs, or the fields of a struct inside, the program has changed since, and the contents cannot be
/// compared. Such a command counts as the first one.
///
/// The order of a list counts. That of a set does not; nor does that of a sequence of a type of the program's own, which
/// serde does not tell from a set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandMark {
    /// The name of the command's struct, or its [`NAME`](crate::Command::NAME) if that is another one.
    pub name: Cow<'static, str>,
    /// A hash of the names, types and serde attributes of the struct's fields.
    pub shape: u64,
    /// A hash of the fields' values.
    pub content: u64,
    /// The structs in the command, each with a hash of its name and of its fields' names.
    pub structs: Vec<u64>,
}

impl CommandMark {
    /// The mark of a command with this name, and these hashes of its shape and content.
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>, shape: u64, content: u64) -> Self {
        Self { name: name.into(), shape, content, structs: Vec::new() }
    }

    /// Sets the structs in the command, as another mark has them.
    #[must_use]
    pub fn with_structs(self, structs: Vec<u64>) -> Self {
        Self { structs, ..self }
    }

    /// A mark as databases store it: hashes as signed numbers, and the structs' as bytes.
    pub(crate) fn of_stored(name: String, shape: i64, content: i64, structs: Option<Vec<u8>>) -> Self {
        let structs = structs.unwrap_or_default();
        let structs = structs.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
        Self::new(name, shape.cast_unsigned(), content.cast_unsigned()).with_structs(structs)
    }

    /// The structs as [`of_stored`](Self::of_stored) reads them.
    pub(crate) fn stored_structs(&self) -> Vec<u8> {
        self.structs.iter().flat_map(|mark| mark.to_le_bytes()).collect()
    }

    /// Whether a command with the mark `other` is certainly another command.
    #[must_use]
    pub fn is_another(&self, other: &Self) -> bool {
        !self.name_letters().eq(other.name_letters())
            || (self.shape == other.shape
                && self.content != other.content
                && !have_other_fields(&self.structs, &other.structs))
    }

    /// The name as a struct and in kebab case alike: a struct that was renamed keeps its name in kebab case.
    fn name_letters(&self) -> impl Iterator<Item = char> {
        self.name.chars().filter(|char| !matches!(char, '-' | '_')).flat_map(char::to_lowercase)
    }

    /// The mark of a command whose content is `serialized` or, without that, its `Debug` text.
    pub(crate) fn of<C: Debug>(
        command: &C,
        name: &'static str,
        shape: u64,
        serialized: Option<Content>,
    ) -> Self {
        // The two kinds of hashes can't be compared, so they make two shapes. 0 and 1 were those of an earlier factum.
        let shape = mixed(shape, if serialized.is_some() { 3 } else { 2 });
        let content = serialized.unwrap_or_else(|| content_of_debug(command));
        Self::new(name, shape, content.hash).with_structs(content.structs)
    }
}

/// The last part of a type's path.
pub(crate) fn type_name<T: ?Sized>() -> &'static str {
    let path = std::any::type_name::<T>();
    let path = path.split('<').next().unwrap_or(path);
    path.rsplit("::").next().unwrap_or(path)
}

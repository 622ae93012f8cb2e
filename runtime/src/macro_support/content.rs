//! What generated code does with a command as far as the command's own traits allow it: the hash of its content, by
//! serde, and a copy, by `Clone`.

use serde::Serialize;

use crate::domain::command::Command;
use crate::domain::command_mark::CommandMark;
use crate::domain::content::hash_of_serialized;

/// A command whose content is asked for.
///
/// The method `content_of_command` is that of [`ContentOfSerde`] if the command is `Serialize`, otherwise that of
/// [`ContentOfDebug`]. Generated code calls `(&probe).content_of_command()`, as in
/// [`RetiredProbe`](crate::macro_support::RetiredProbe).
#[derive(Debug)]
pub struct ContentProbe<'c, C>(pub &'c C);

/// The content of a command that is `Serialize`. rustc finds this method first.
pub trait ContentOfSerde {
    /// The hash of what serde sees of the command.
    fn content_of_command(&self) -> Option<u64>;
}

impl<C: Serialize> ContentOfSerde for ContentProbe<'_, C> {
    fn content_of_command(&self) -> Option<u64> {
        hash_of_serialized(self.0)
    }
}

/// The content of any other command. rustc finds this method second.
pub trait ContentOfDebug {
    /// No hash: that of the `Debug` text takes its place.
    fn content_of_command(&self) -> Option<u64>;
}

impl<C> ContentOfDebug for &ContentProbe<'_, C> {
    fn content_of_command(&self) -> Option<u64> {
        None
    }
}

/// The mark of a command with this name, shape and content.
pub fn mark_of<C: Command>(command: &C, name: &'static str, shape: u64, content: Option<u64>) -> CommandMark {
    CommandMark::of(command, name, shape, content)
}

/// A command that is to be copied. The method `copy_of_command` is that of [`CopyByClone`] if the command is `Clone`, otherwise that
/// of [`NoCopy`], as with [`ContentProbe`].
#[derive(Debug)]
pub struct CopyProbe<'c, C>(pub &'c C);

/// The copy of a command that is `Clone`. rustc finds this method first.
pub trait CopyByClone<C> {
    /// The copy.
    fn copy_of_command(&self) -> Option<C>;
}

impl<C: Clone> CopyByClone<C> for CopyProbe<'_, C> {
    fn copy_of_command(&self) -> Option<C> {
        Some(self.0.clone())
    }
}

/// Any other command. rustc finds this method second.
pub trait NoCopy<C> {
    /// No copy.
    fn copy_of_command(&self) -> Option<C>;
}

impl<C> NoCopy<C> for &CopyProbe<'_, C> {
    fn copy_of_command(&self) -> Option<C> {
        None
    }
}

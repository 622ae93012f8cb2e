//! The hash of a command's content, by serde where that is possible.

use serde::Serialize;

use crate::domain::command::Command;
use crate::domain::command_mark::CommandMark;
use crate::domain::content::hash_of_serialized;

/// A command whose content is asked for.
///
/// The method `content` is that of [`ContentOfSerde`] if the command is `Serialize`, otherwise that of
/// [`ContentOfDebug`]. Generated code calls `(&probe).content()`, as in
/// [`RetiredProbe`](crate::macro_support::RetiredProbe).
#[derive(Debug)]
pub struct ContentProbe<'c, C>(pub &'c C);

/// The content of a command that is `Serialize`. rustc finds this method first.
pub trait ContentOfSerde {
    /// The hash of what serde sees of the command.
    fn content(&self) -> Option<u64>;
}

impl<C: Serialize> ContentOfSerde for ContentProbe<'_, C> {
    fn content(&self) -> Option<u64> {
        hash_of_serialized(self.0)
    }
}

/// The content of any other command. rustc finds this method second.
pub trait ContentOfDebug {
    /// No hash: that of the `Debug` text takes its place.
    fn content(&self) -> Option<u64>;
}

impl<C> ContentOfDebug for &ContentProbe<'_, C> {
    fn content(&self) -> Option<u64> {
        None
    }
}

/// The mark of a command with this name, shape and content.
pub fn mark_of<C: Command>(command: &C, name: &'static str, shape: u64, content: Option<u64>) -> CommandMark {
    CommandMark::of(command, name, shape, content)
}

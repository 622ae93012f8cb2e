//! What a command can do by its own traits: the hash of its content, and how it is read, by serde; a copy, by `Clone`.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::command_traits::{CopyCommand, ReadCommand, SerializeCommand};
use crate::domain::content::of_serialized::content_of_serialized;

/// A command whose traits are asked for.
///
/// Each answer is an inherent one if the command has the trait. rustc finds that before the one of [`LacksTrait`]. A trait of the
/// user's own may be one of every type: its methods are not called `factum_..`.
#[derive(Debug)]
pub struct TraitsOf<C>(PhantomData<C>);

impl<C: Serialize> TraitsOf<C> {
    /// The command can be written as JSON.
    pub const FACTUM_IS_WRITABLE: bool = true;

    /// What serde makes of the command.
    #[must_use]
    pub fn factum_content() -> Option<SerializeCommand<C>> {
        let write = |command: &C| serde_json::to_value(command);
        Some(SerializeCommand { hash: content_of_serialized::<C>, write })
    }
}

impl<C: DeserializeOwned> TraitsOf<C> {
    /// Reads the command.
    pub const FACTUM_READ: Option<ReadCommand<C>> = Some(|json| serde_json::from_str(json));
}

impl<C: Clone> TraitsOf<C> {
    /// The copy.
    #[must_use]
    pub fn factum_copy() -> Option<CopyCommand<C>> {
        Some(C::clone)
    }
}

/// The answers for a command without the trait.
pub trait LacksTrait {
    /// The command.
    type Command;
    /// There is no JSON of it.
    const FACTUM_IS_WRITABLE: bool = false;
    /// Nothing reads it.
    const FACTUM_READ: Option<ReadCommand<Self::Command>> = None;

    /// No JSON, and no hash of it: that of the `Debug` text takes its place.
    #[must_use]
    fn factum_content() -> Option<SerializeCommand<Self::Command>> {
        None
    }

    /// No copy.
    #[must_use]
    fn factum_copy() -> Option<CopyCommand<Self::Command>> {
        None
    }
}

impl<C> LacksTrait for TraitsOf<C> {
    type Command = C;
}

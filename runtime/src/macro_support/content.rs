//! What a command can do by its own traits: the hash of its content, and how it is read, by serde; a copy, by `Clone`.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::command_traits::{CopyCommand, ReadCommand, SerializeCommand};
use crate::domain::content::of_serialized::content_of_serialized;

/// A command whose traits are asked for.
///
/// Each answer is an inherent one if the command has the trait. rustc finds that before the one of [`LacksTrait`]. A trait of the
/// user's own may be one of every type: its constants are not called `FACTUM_..`.
#[derive(Debug)]
pub struct TraitsOf<C>(PhantomData<C>);

impl<C: Serialize> TraitsOf<C> {
    /// What serde makes of the command.
    pub const FACTUM_CONTENT: Option<SerializeCommand<C>> = Some(SerializeCommand {
        hash: content_of_serialized::<C>,
        write: |command| serde_json::to_value(command),
    });
}

impl<C: DeserializeOwned> TraitsOf<C> {
    /// Reads the command.
    pub const FACTUM_READ: Option<ReadCommand<C>> = Some(|json| serde_json::from_str(json));
}

impl<C: Clone> TraitsOf<C> {
    /// Copies the command.
    pub const FACTUM_COPY: Option<CopyCommand<C>> = Some(C::clone);
}

/// The answers for a command without the trait.
pub trait LacksTrait {
    /// The command.
    type Command;
    /// Nothing reads it.
    const FACTUM_READ: Option<ReadCommand<Self::Command>> = None;
    /// No JSON, and no hash of it: that of the `Debug` text takes its place.
    const FACTUM_CONTENT: Option<SerializeCommand<Self::Command>> = None;
    /// No copy.
    const FACTUM_COPY: Option<CopyCommand<Self::Command>> = None;
}

impl<C> LacksTrait for TraitsOf<C> {
    type Command = C;
}

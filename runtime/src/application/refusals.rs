//! How the refusals of an aggregate are shown to a caller that does not know their type.

use std::marker::PhantomData;

use serde::Serialize;

/// Writes a refusal as JSON, if serde can.
type WriteRefusal<E> = fn(&E) -> Option<String>;

/// How refusals of type `E` are shown. Generated code finds the functions by asking.
pub struct Refusals<E> {
    /// The refusal as text, if it has `Display`.
    pub text: Option<fn(&E) -> String>,
    /// The refusal as JSON, if it is `Serialize`.
    pub json: Option<WriteRefusal<E>>,
}

impl<E> Refusals<E> {
    /// What a refusal of the command says.
    pub(crate) fn text_of(&self, command: &str, refusal: &E) -> String {
        self.text.map_or_else(|| format!("`{command}` was refused"), |text| text(refusal))
    }
}

/// The answers for a refusal with `Display`, and for one that is `Serialize`. rustc finds these constants before those of
/// [`ShowsNothing`].
#[derive(Debug)]
pub struct ShownRefusal<E>(PhantomData<E>);

impl<E: std::fmt::Display> ShownRefusal<E> {
    /// The refusal as text.
    pub const FACTUM_TEXT: Option<fn(&E) -> String> = Some(E::to_string);
}

impl<E: Serialize> ShownRefusal<E> {
    /// The refusal as JSON.
    pub const FACTUM_JSON: Option<WriteRefusal<E>> = Some(|refusal| serde_json::to_string(refusal).ok());
}

/// The answers for a refusal without the trait.
pub trait ShowsNothing {
    /// The refusal.
    type Refusal;
    /// No text.
    const FACTUM_TEXT: Option<fn(&Self::Refusal) -> String> = None;
    /// No JSON.
    const FACTUM_JSON: Option<WriteRefusal<Self::Refusal>> = None;
}

impl<E> ShowsNothing for ShownRefusal<E> {
    type Refusal = E;
}

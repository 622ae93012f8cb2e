//! Attributes as options: `#[event(name = "..", version = 2, aliases(".."))]` taken apart, each part with its span.
//!
//! This is grammar: unknown keys, doubled keys and values of the wrong form are reported here, once. Whether a key is
//! needed, and what its value means, is for `rules` to say.

mod entry;
mod values;

use proc_macro2::{TokenStream, TokenTree};
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::{Attribute, Ident, Meta, Token};

use self::entry::{Entry, Value};
use crate::errors::Errors;
use crate::names::nearest;

pub(crate) use self::entry::ModPath;

/// The keys of all attributes of one name on an item. The syntax of the item takes out each key that it knows;
/// [`finish`](Self::finish) asserts that none is left.
pub(crate) struct Options {
    attribute: &'static str,
    known: &'static [&'static str],
    entries: Vec<Entry>,
    /// The keys that were written, valid or not. A misspelled key counts as the one that was meant.
    mentioned: Vec<String>,
}

/// What an item says for a key that a rule may ask for.
pub(crate) enum Given<T> {
    Missing,
    /// The key is there, or a misspelling of it, and the error is already reported.
    Invalid,
    Value(T),
}

/// `key(item, item)`
pub(crate) struct List<T> {
    pub(crate) key: Ident,
    pub(crate) items: Vec<T>,
}

impl<T> Given<T> {
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }

    pub(crate) fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Missing | Self::Invalid => None,
        }
    }
}

impl Options {
    /// The options in `#[attribute(..)]` among `attributes`; `known` are all keys there are.
    pub(crate) fn parse(
        attributes: &[Attribute],
        attribute: &'static str,
        known: &'static [&'static str],
        errors: &mut Errors,
    ) -> Self {
        Self::parse_repeating(attributes, attribute, known, &[], errors)
    }

    /// The options in `#[attribute(..)]`, where the keys in `repeating` may be given any number of times.
    pub(crate) fn parse_repeating(
        attributes: &[Attribute],
        attribute: &'static str,
        known: &'static [&'static str],
        repeating: &[&str],
        errors: &mut Errors,
    ) -> Self {
        let mut entries = Vec::new();
        for found in attributes.iter().filter(|found| found.path().is_ident(attribute)) {
            match &found.meta {
                Meta::List(list) => entries.extend(parse_entries(list.tokens.clone(), errors)),
                other => errors.at(other, format!("write `#[{attribute}({} ..)]`", known.join(" .., "))),
            }
        }
        Self::new(attribute, known, repeating, entries, errors)
    }

    /// The options in the parentheses of one key.
    pub(crate) fn nested(
        attribute: &'static str,
        known: &'static [&'static str],
        tokens: TokenStream,
        errors: &mut Errors,
    ) -> Self {
        let entries = parse_entries(tokens, errors);
        Self::new(attribute, known, &[], entries, errors)
    }

    fn new(
        attribute: &'static str,
        known: &'static [&'static str],
        repeating: &[&str],
        entries: Vec<Entry>,
        errors: &mut Errors,
    ) -> Self {
        let mut valid: Vec<Entry> = Vec::new();
        let mut mentioned = Vec::new();
        for entry in entries {
            let name = entry.key.to_string();
            mentioned.push(nearest(&name, known).unwrap_or(&name).to_owned());
            if !known.contains(&name.as_str()) {
                let hint = match nearest(&name, known) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("it knows `{}`", known.join("`, `")),
                };
                errors.at(&entry.key, format!("`{attribute}(..)` does not know `{name}`; {hint}"));
            } else if !repeating.contains(&name.as_str())
                && valid.iter().any(|earlier| earlier.key == entry.key)
            {
                errors.at(&entry.key, format!("`{name}` is given twice"));
            } else {
                valid.push(entry);
            }
        }
        Self { attribute, known, entries: valid, mentioned }
    }

    /// Reports `one(Type, ..)` as a slip for `many(Type, ..)`: `one(..)` has options, `many(..)` lists types.
    pub(crate) fn plural(&mut self, one: &str, many: &str, errors: &mut Errors) {
        let is_slip = |entry: &Entry| match &entry.value {
            Value::List(tokens) => matches!(
                tokens.clone().into_iter().next(),
                Some(TokenTree::Ident(first)) if first.to_string().starts_with(char::is_uppercase)
            ),
            Value::Alone | Value::Assigned(_) => false,
        };
        if let Some(index) = self.entries.iter().position(|entry| entry.key == one && is_slip(entry)) {
            let slip = self.entries.remove(index);
            let message =
                format!("`{one}(..)` is about the generated enum; to list types, write `{many}(..)`");
            errors.at(&slip.key, message);
            self.mentioned.push(many.to_owned());
        }
    }

    /// The value of `key`, told apart from one that is missing and one whose error is reported.
    pub(crate) fn given<T>(&self, key: &str, value: Option<T>) -> Given<T> {
        match value {
            Some(value) => Given::Value(value),
            None if self.mentioned.iter().any(|mentioned| mentioned == key) => Given::Invalid,
            None => Given::Missing,
        }
    }

    /// Whether the key is there, with parentheses.
    pub(crate) fn is_list(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key && matches!(entry.value, Value::List(_)))
    }

    /// Every `key(key = .., ..)` of one of these keys, in the order in which they stand.
    pub(crate) fn in_order(
        &mut self,
        keys: &[(&'static str, &'static [&'static str])],
        errors: &mut Errors,
    ) -> Vec<(Ident, Self)> {
        let (taken, left) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition::<Vec<_>, _>(|entry| keys.iter().any(|(key, _)| entry.key == key));
        self.entries = left;
        let mut nested = Vec::new();
        for entry in taken {
            let Some((key, known)) = keys.iter().find(|(key, _)| entry.key == key) else { continue };
            match entry.value {
                Value::List(tokens) => {
                    nested.push((entry.key, Self::nested(key, known, tokens, errors)));
                }
                Value::Alone | Value::Assigned(_) => {
                    errors.at(&entry.key, format!("write `{key}({} = ..)`", known.join(" = .., ")));
                }
            }
        }
        nested
    }

    /// Ends the reading: every known key has been taken out.
    pub(crate) fn finish(self) {
        debug_assert!(self.entries.is_empty(), "a key of {} is known but not read", self.attribute);
    }

    fn take(&mut self, key: &str) -> Option<Entry> {
        debug_assert!(self.known.contains(&key), "{key} is read but not known");
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(index))
    }
}

fn parse_entries(tokens: TokenStream, errors: &mut Errors) -> Vec<Entry> {
    let parsed = Punctuated::<Entry, Token![,]>::parse_terminated.parse2(tokens);
    errors.ok(parsed).into_iter().flatten().collect()
}

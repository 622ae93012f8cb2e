//! Attributes as options: `#[event(name = "..", version = 2, aliases(".."))]` taken apart, each part with its span.
//!
//! This is grammar: unknown keys, doubled keys and values of the wrong form are reported here, once. Whether a key is
//! needed, and what its value means, is for `rules` to say.

mod entry;
mod items;
mod misspelled;
mod slips;
mod values;

use proc_macro2::{Spacing, TokenStream, TokenTree};
use syn::{Attribute, Ident, Meta};

use self::entry::{Entry, Slip, Value};
use self::misspelled::{in_parentheses, meant, written};
use self::slips::Slips;
use crate::errors::{Errors, shown};
use crate::names::distance;

pub(crate) use self::items::{ModPath, Text, TypePath};
pub(crate) use self::misspelled::is_misspelled;

/// The keys of an attribute.
#[derive(Clone, Copy, Default)]
pub(crate) struct Keys {
    pub(crate) known: &'static [&'static str],
    /// Those that may be given any number of times.
    pub(crate) repeating: &'static [&'static str],
    /// The keys that the attribute has elsewhere, and where.
    pub(crate) elsewhere: &'static [(&'static [&'static str], &'static str)],
}

/// The keys of all attributes of one name on an item. The syntax of the item takes out each key that it knows;
/// [`finish`](Self::finish) asserts that none is left.
pub(crate) struct Options {
    attribute: &'static str,
    known: &'static [&'static str],
    entries: Vec<Entry>,
    /// The keys that were written, valid or not. A misspelled key counts as the one that was meant.
    mentioned: Vec<String>,
    /// Whether a mistake may hide a key, so that none is reported as missing.
    is_doubtful: bool,
    /// The kinds of slips that are reported.
    reported: Vec<&'static str>,
}

/// What an item says for a key that a rule may ask for.
pub(crate) enum Given<T> {
    Missing,
    /// The key is there, or a mistake may hide it. The error is already reported.
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
    /// The options in `#[attribute(..)]` among `attributes`.
    pub(crate) fn parse(
        attributes: &[Attribute],
        attribute: &'static str,
        keys: impl Into<Keys>,
        errors: &mut Errors,
    ) -> Self {
        let keys = keys.into();
        let mut options = Self::empty(attribute, keys.known);
        for found in written(attributes, attribute) {
            match &found.meta {
                Meta::List(list) => options.read(list.tokens.clone(), keys, errors),
                other => {
                    errors.at(other, format!("write `{}`", in_parentheses(other, attribute, keys.known)));
                    options.is_doubtful = true;
                }
            }
        }
        options
    }

    /// The options in the parentheses of one key.
    pub(crate) fn nested(
        attribute: &'static str,
        keys: impl Into<Keys>,
        tokens: TokenStream,
        errors: &mut Errors,
    ) -> Self {
        let keys = keys.into();
        let mut options = Self::empty(attribute, keys.known);
        options.read(tokens, keys, errors);
        options
    }

    fn empty(attribute: &'static str, known: &'static [&'static str]) -> Self {
        Self {
            attribute,
            known,
            entries: Vec::new(),
            mentioned: Vec::new(),
            is_doubtful: false,
            reported: Vec::new(),
        }
    }

    fn read(&mut self, tokens: TokenStream, keys: Keys, errors: &mut Errors) {
        let (attribute, known) = (self.attribute, self.known);
        let mut slips = Slips::new(&mut self.reported, errors);
        let entries = entry::entries(tokens, attribute, known, &mut slips);
        // The slip of an entry is reported by the reader of its key.
        let is_read = |entry: &Entry| known.iter().any(|known| entry.key == known);
        let is_slip = |entry: &Entry| matches!(entry.slip, Slip::At(..)) || entry.rest.is_some();
        let mut has_slip = slips.any() || entries.iter().any(|entry| is_read(entry) && is_slip(entry));
        self.is_doubtful |= has_slip;
        let written: Vec<_> = entries.iter().map(|entry| entry.key.to_string()).collect();
        for mut entry in entries {
            let name = entry.key.to_string();
            if !known.contains(&name.as_str()) {
                if let Some((_, place)) =
                    keys.elsewhere.iter().find(|(keys, _)| keys.contains(&name.as_str()))
                {
                    if !has_slip {
                        errors.at(&entry.key, format!("`{name}` goes {place}"));
                    }
                    (self.is_doubtful, has_slip) = (true, true);
                    continue;
                }
                let meant = meant(&name, known);
                let hint = match meant {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("it knows `{}`", known.join("`, `")),
                };
                // A slip before it may be the reason.
                if !has_slip || meant.is_some() {
                    errors.at(&entry.key, format!("`{attribute}(..)` does not know `{name}`; {hint}"));
                }
                // A misspelled key is read as the one that was meant.
                let Some(meant) = meant.filter(|&meant| !written.iter().any(|key| key == meant)) else {
                    self.is_doubtful |= meant.is_none();
                    continue;
                };
                // The farther it is, the more likely another one was meant.
                self.is_doubtful |= distance(&name, meant) > 1;
                entry.key = Ident::new(meant, entry.key.span());
                entry.slip = Slip::Reported;
            }
            let name = entry.key.to_string();
            if !keys.repeating.contains(&name.as_str()) && self.mentioned.contains(&name) {
                errors.at(&entry.key, format!("`{name}` is given twice"));
                self.join(entry);
            } else {
                self.mentioned.push(name);
                self.entries.push(entry);
            }
        }
    }

    /// Takes two lists of one key for one that was written in two parts. Of two other values, it is not known which is right.
    fn join(&mut self, second: Entry) {
        let first = self.entries.iter_mut().find(|entry| entry.key == second.key);
        match (first.map(|first| &mut first.value), second.value) {
            (Some(Value::List(first)), Value::List(second)) if first.to_string() != second.to_string() => {
                let last = first.clone().into_iter().last();
                if !last.is_none_or(|last| matches!(last, TokenTree::Punct(punct) if punct.as_char() == ','))
                {
                    first.extend(quote::quote!(,));
                }
                first.extend(second);
            }
            (Some(Value::List(_)), Value::List(_)) => {}
            _ => self.entries.retain(|other| other.key != second.key),
        }
    }

    /// Reports `one(Type, ..)` as a slip for `many(Type, ..)`, and reads it as that: `one(..)` has options, `many(..)` lists
    /// types.
    pub(crate) fn plural(&mut self, one: &str, many: &str, errors: &mut Errors) {
        let is_slip = |entry: &Entry| match &entry.value {
            Value::List(tokens) => {
                let mut trees = tokens.clone().into_iter();
                match (trees.next(), trees.next()) {
                    (_, Some(TokenTree::Punct(punct)))
                        if punct.as_char() == ':' && punct.spacing() == Spacing::Joint =>
                    {
                        true
                    }
                    (Some(TokenTree::Ident(first)), _) => first.to_string().starts_with(char::is_uppercase),
                    (first, _) => first.is_some(),
                }
            }
            Value::Assigned(_) => true,
            Value::Alone => false,
        };
        let slip = self.entries.iter().position(|entry| entry.key == one && is_slip(entry));
        let slip = slip.map(|index| self.entries.remove(index));
        if let Some(second) = self.entries.iter().filter(|entry| entry.key == one).nth(1) {
            errors.at(&second.key, format!("`{one}` is given twice"));
            self.entries.retain(|entry| entry.key != one);
        }
        let Some(mut slip) = slip else { return };
        if let Value::List(tokens) = &slip.value
            && is_derives(tokens)
        {
            errors.at(&slip.key, format!("write `{one}(derive({}))`", shown(tokens)));
            return;
        }
        if !matches!(slip.slip, Slip::Reported) {
            let message =
                format!("`{one}(..)` is about the generated enum; to list types, write `{many}(..)`");
            errors.at(&slip.key, message);
        }
        if self.mentioned.iter().any(|mentioned| mentioned == many) {
            // The two lists are most likely one.
            self.entries.retain(|entry| entry.key != many);
        } else {
            slip.key = Ident::new(many, slip.key.span());
            slip.slip = Slip::Reported;
            self.mentioned.push(many.to_owned());
            self.entries.push(slip);
        }
    }

    /// The value of `key`, told apart from one that is missing and one whose error is reported.
    pub(crate) fn given<T>(&self, key: &str, value: Option<T>) -> Given<T> {
        match value {
            Some(value) => Given::Value(value),
            None if self.is_doubtful || self.mentioned.iter().any(|mentioned| mentioned == key) => {
                Given::Invalid
            }
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
        for mut entry in taken {
            let Some((key, known)) = keys.iter().find(|(key, _)| entry.key == key) else { continue };
            if matches!(&entry.value, Value::List(tokens) if tokens.is_empty()) {
                entry.value = Value::Alone;
            }
            let example = format!("{} = ..", known.join(" = .., "));
            if let Some((key_token, tokens)) = self.list_tokens(entry, &example, errors) {
                nested.push((key_token, Self::nested(key, *known, tokens, errors)));
            }
        }
        nested
    }

    /// `key`, or `key(key = .., ..)`.
    pub(crate) fn maybe_options(
        &mut self,
        key: &'static str,
        keys: impl Into<Keys>,
        errors: &mut Errors,
    ) -> Option<(Ident, Self)> {
        let keys = keys.into();
        let mut entry = self.take(key)?;
        if matches!(entry.value, Value::Alone) {
            entry.value = Value::List(TokenStream::new());
        }
        let (key_token, tokens) = self.list_tokens(entry, &keys.known.join(", "), errors)?;
        Some((key_token, Self::nested(key, keys, tokens, errors)))
    }

    /// Ends the reading: every known key has been taken out.
    pub(crate) fn finish(self) {
        debug_assert!(self.entries.is_empty(), "a key of {} is known but not read", self.attribute);
    }

    /// Reports that an entry has another form than this, where its slip is.
    fn wrong_form(&mut self, entry: &Entry, example: &str, errors: &mut Errors) {
        match entry.slip {
            Slip::None => errors.at(&entry.key, format!("write `{example}`")),
            // A second one of its kind is most likely the same misunderstanding.
            Slip::At(kind, span) if !self.reported.contains(&kind) => {
                let with = if example.ends_with(')') { "parentheses" } else { "`=`" };
                errors.at_span(span, format!("write `{example}`, with {with}"));
                self.reported.push(kind);
            }
            Slip::At(..) | Slip::Reported => {}
        }
    }

    /// Reports what follows an entry that has no list.
    fn no_rest(&mut self, entry: &Entry, errors: &mut Errors) {
        if let Some(rest) = &entry.rest {
            Slips::new(&mut self.reported, errors).without_key(rest, self.attribute, self.known);
        }
    }

    fn take(&mut self, key: &str) -> Option<Entry> {
        debug_assert!(self.known.contains(&key), "{key} is read but not known");
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(index))
    }
}

impl<K: AsRef<[&'static str]> + ?Sized> From<&'static K> for Keys {
    fn from(known: &'static K) -> Self {
        Self { known: known.as_ref(), ..Self::default() }
    }
}

/// Whether these are traits that enums derive, and no types of a domain.
fn is_derives(tokens: &TokenStream) -> bool {
    const DERIVES: [&str; 8] =
        ["Clone", "Debug", "Deserialize", "Eq", "Hash", "JsonSchema", "PartialEq", "Serialize"];
    tokens.clone().into_iter().all(|tree| match tree {
        TokenTree::Ident(word) => DERIVES.iter().any(|derive| word == derive),
        TokenTree::Punct(punct) => punct.as_char() == ',',
        TokenTree::Group(_) | TokenTree::Literal(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The errors of an attribute with a name, a flag and a list of texts.
    fn messages(attribute: &str) -> Vec<String> {
        let mut errors = Errors::default();
        let tokens = attribute.parse().expect("tokens");
        let mut options = Options::nested("event", &["name", "flag", "texts"], tokens, &mut errors);
        options.string("name", &mut errors);
        options.flag("flag", &mut errors);
        let texts = options.list::<Text>("texts", "\"text\", ..", &mut errors);
        let _ = options.given("texts", texts);
        options.finish();
        errors.messages()
    }

    #[test]
    fn right_attributes() {
        for attribute in ["", "name = \"a\"", "flag, texts(\"a\", \"b\",),", "texts(), r#name = r\"a\""] {
            assert_eq!(messages(attribute), [""; 0], "{attribute}");
        }
    }

    #[test]
    fn each_slip_is_one_error() {
        for attribute in [
            "name: \"a\"",
            "name: \"a\", texts: (\"b\")",
            "name == \"a\"",
            "name => \"a\"",
            "name \"a\"",
            "name, \"a\"",
            "name = a",
            "name =",
            "name",
            "name(\"a\")",
            "name {}",
            "\"name\" = \"a\"",
            "\"na me\" = \"a\"",
            "\"a\"",
            "5, flag",
            "= 5",
            "a::b",
            "a::b = 5",
            "Type, Other",
            "nmae = \"a\"",
            "nmae: 5",
            "unknown",
            "unknown: 5",
            "unknown = 5, \"a\"",
            "unknown; unknown = 5",
            "name = \"a\", name = \"b\"",
            "name = \"a\", name: \"b\"",
            "name = \"a\", \"b\"",
            "name = \"a\" flag",
            "name = \"a\"; flag; texts(\"b\"; \"c\")",
            "name = \"a\",, flag",
            ", flag",
            "; flag",
            "flag = 5",
            "flag: 5",
            "flag {}",
            "flag, 5",
            "flag texts(\"a\")",
            "flag ! texts(\"a\")",
            "/// A comment.\n flag, /// And one.\n",
            "name = \"a\" /** A comment. */",
            "#[cfg(test)] flag",
            "texts",
            "texts = \"a\"",
            "texts = [\"a\"]",
            "texts[\"a\"]",
            "texts([\"a\"])",
            "texts = \"a\", \"b\"",
            "texts(\"a\",), texts(\"b\")",
            "texts(a, b)",
            "texts(\"a\" \"b\")",
            "texts \"a\", \"b\"",
            "texts(,)",
        ] {
            let messages = messages(attribute);
            assert_eq!(messages.len(), 1, "{attribute}: {messages:#?}");
        }
    }
}

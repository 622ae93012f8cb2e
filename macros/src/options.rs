//! Attributes as options: `#[event(name = "..", version = 2, aliases(".."))]` taken apart, each part with its span.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt as _;
use syn::parse::discouraged::Speculative as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Attribute, Ident, LitInt, LitStr, Meta, Path, Token, Type};

use crate::errors::Errors;
use crate::text::nearest;

/// The keys of all attributes of one name on an item. Each is taken out by who understands it; [`finish`](Self::finish)
/// complains of the rest.
pub(crate) struct Options {
    attribute: &'static str,
    known: &'static [&'static str],
    entries: Vec<Entry>,
    /// The keys that were written, rightly or not; one that was misspelled counts as the one that was meant.
    mentioned: Vec<String>,
}

struct Entry {
    key: Ident,
    value: Value,
}

enum Value {
    /// `key`
    Alone,
    /// `key = tokens`
    Assigned(TokenStream),
    /// `key(tokens)`
    List(TokenStream),
}

impl Options {
    /// The options in `#[attribute(..)]` among `attributes`; `known` are all keys there are.
    pub(crate) fn parse(
        attributes: &[Attribute],
        attribute: &'static str,
        known: &'static [&'static str],
        errors: &mut Errors,
    ) -> Self {
        let entries = Self::entries(attributes, attribute, known, errors);
        Self::new(attribute, known, &[], entries, errors)
    }

    fn entries(attributes: &[Attribute], attribute: &str, known: &[&str], errors: &mut Errors) -> Vec<Entry> {
        let mut entries = Vec::new();
        for found in attributes.iter().filter(|found| found.path().is_ident(attribute)) {
            match &found.meta {
                Meta::List(list) => {
                    let parsed = Punctuated::<Entry, Token![,]>::parse_terminated.parse2(list.tokens.clone());
                    entries.extend(errors.ok(parsed).into_iter().flatten());
                }
                other => errors.at(other, format!("write `#[{attribute}({} ..)]`", known.join(" .., "))),
            }
        }
        entries
    }

    /// The same, where some keys may be given any number of times.
    pub(crate) fn parse_repeating(
        attributes: &[Attribute],
        attribute: &'static str,
        known: &'static [&'static str],
        repeating: &[&str],
        errors: &mut Errors,
    ) -> Self {
        let entries = Self::entries(attributes, attribute, known, errors);
        Self::new(attribute, known, repeating, entries, errors)
    }

    /// The options in the parentheses of one key.
    pub(crate) fn nested(
        attribute: &'static str,
        known: &'static [&'static str],
        tokens: TokenStream,
        errors: &mut Errors,
    ) -> Self {
        let parsed = Punctuated::<Entry, Token![,]>::parse_terminated.parse2(tokens);
        let entries = errors.ok(parsed).into_iter().flatten().collect();
        Self::new(attribute, known, &[], entries, errors)
    }

    fn new(
        attribute: &'static str,
        known: &'static [&'static str],
        repeating: &[&str],
        entries: Vec<Entry>,
        errors: &mut Errors,
    ) -> Self {
        let mut kept: Vec<Entry> = Vec::new();
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
                && kept.iter().any(|earlier| earlier.key == entry.key)
            {
                errors.at(&entry.key, format!("`{name}` is given twice"));
            } else {
                kept.push(entry);
            }
        }
        Self { attribute, known, entries: kept, mentioned }
    }

    /// Takes `one(Type, ..)` for the slip that it is: `one(..)` has options, `many(..)` lists types.
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

    /// The attribute's name.
    pub(crate) fn attribute(&self) -> &'static str {
        self.attribute
    }

    /// Whether the key was written at all, so that its absence need not be told.
    pub(crate) fn mentions(&self, key: &str) -> bool {
        self.mentioned.iter().any(|mentioned| mentioned == key)
    }

    fn take(&mut self, key: &str) -> Option<Entry> {
        debug_assert!(self.known.contains(&key), "{key} is read but not known");
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(index))
    }

    fn assigned<T: Parse>(&mut self, key: &str, example: &str, errors: &mut Errors) -> Option<T> {
        let entry = self.take(key)?;
        let wanted = format!("write `{key} = {example}`");
        match entry.value {
            Value::Assigned(tokens) if tokens.is_empty() => {
                errors.at(&entry.key, wanted);
                None
            }
            Value::Assigned(tokens) => {
                // syn's own message says what it expected; ours says what to write.
                let result = syn::parse2(tokens.clone());
                if result.is_err() {
                    errors.at(&tokens, wanted);
                }
                result.ok()
            }
            Value::Alone | Value::List(_) => {
                errors.at(&entry.key, wanted);
                None
            }
        }
    }

    /// `key = "text"`
    pub(crate) fn string(&mut self, key: &str, errors: &mut Errors) -> Option<LitStr> {
        self.assigned(key, "\"..\"", errors)
    }

    /// `key = 2`
    pub(crate) fn integer(&mut self, key: &str, errors: &mut Errors) -> Option<LitInt> {
        self.assigned(key, "2", errors)
    }

    /// `key = 100`, where that is a better example
    pub(crate) fn count(&mut self, key: &str, errors: &mut Errors) -> Option<LitInt> {
        self.assigned(key, "100", errors)
    }

    /// `key = Type`
    pub(crate) fn ty(&mut self, key: &str, errors: &mut Errors) -> Option<Type> {
        self.assigned(key, "Type", errors)
    }

    /// `key = path::to::it`
    pub(crate) fn path(&mut self, key: &str, errors: &mut Errors) -> Option<Path> {
        self.assigned(key, "some::path", errors).map(|ModPath(path)| path)
    }

    /// `key = Name`
    pub(crate) fn ident(&mut self, key: &str, errors: &mut Errors) -> Option<Ident> {
        self.ident_as(key, "Name", errors)
    }

    /// The same, where there is a better example.
    pub(crate) fn ident_as(&mut self, key: &str, example: &str, errors: &mut Errors) -> Option<Ident> {
        self.assigned(key, example, errors)
    }

    /// `key = expression`, as it stands
    pub(crate) fn expression(&mut self, key: &str, errors: &mut Errors) -> Option<TokenStream> {
        self.assigned(key, "expression", errors)
    }

    /// `key`
    pub(crate) fn flag(&mut self, key: &str, errors: &mut Errors) -> Option<Span> {
        let entry = self.take(key)?;
        if !matches!(entry.value, Value::Alone) {
            errors.at(&entry.key, format!("`{key}` takes no value"));
        }
        Some(entry.key.span())
    }

    /// Whether the key is there, with parentheses.
    pub(crate) fn is_list(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key && matches!(entry.value, Value::List(_)))
    }

    /// `key(item, item)`
    pub(crate) fn list<T: Parse>(
        &mut self,
        key: &str,
        example: &str,
        errors: &mut Errors,
    ) -> Option<(Ident, Vec<T>)> {
        let entry = self.take(key)?;
        match entry.value {
            Value::List(tokens) => {
                let parsed = Punctuated::<T, Token![,]>::parse_terminated.parse2(tokens);
                Some((entry.key, errors.ok(parsed)?.into_iter().collect()))
            }
            Value::Alone | Value::Assigned(_) => {
                errors.at(&entry.key, format!("write `{key}({example})`"));
                None
            }
        }
    }

    /// `key(tokens)`, as they stand
    pub(crate) fn tokens(&mut self, key: &str, errors: &mut Errors) -> Option<TokenStream> {
        let entry = self.take(key)?;
        match entry.value {
            Value::List(tokens) => Some(tokens),
            Value::Alone | Value::Assigned(_) => {
                errors.at(&entry.key, format!("write `{key}(..)`"));
                None
            }
        }
    }

    /// `key(key = .., key(..))`
    pub(crate) fn options(
        &mut self,
        key: &'static str,
        known: &'static [&'static str],
        errors: &mut Errors,
    ) -> Option<Self> {
        let tokens = self.tokens(key, errors)?;
        Some(Self::nested(key, known, tokens, errors))
    }

    /// The same for a key that needs an example to show what goes into its parentheses.
    pub(crate) fn options_as(
        &mut self,
        key: &'static str,
        known: &'static [&'static str],
        example: &str,
        errors: &mut Errors,
    ) -> Option<(Ident, Self)> {
        let entry = self.take(key)?;
        match entry.value {
            Value::List(tokens) if !tokens.is_empty() => {
                Some((entry.key, Self::nested(key, known, tokens, errors)))
            }
            Value::List(_) | Value::Alone | Value::Assigned(_) => {
                errors.at(&entry.key, format!("write `{key}({example})`"));
                None
            }
        }
    }

    /// `crate = path`, or where factum is if nobody renamed it.
    pub(crate) fn krate(&mut self, errors: &mut Errors) -> Path {
        self.path("crate", errors).unwrap_or_else(default_crate)
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

    /// All keys were understood.
    pub(crate) fn finish(self) {
        debug_assert!(self.entries.is_empty(), "a key of {} is known but not read", self.attribute);
    }
}

/// A path without generic arguments.
pub(crate) struct ModPath(pub(crate) Path);

impl Parse for ModPath {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Path::parse_mod_style(input).map(Self)
    }
}

/// Where factum is if nobody renamed it.
pub(crate) fn default_crate() -> Path {
    let mut path = Path::from(Ident::new("factum", Span::call_site()));
    path.leading_colon = Some(<Token![::]>::default());
    path
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        // `crate` is a key, and a keyword.
        let key = input.call(Ident::parse_any)?;
        let value = if input.parse::<Option<Token![=]>>()?.is_some() {
            Value::Assigned(until_comma(input)?)
        } else if input.peek(syn::token::Paren) {
            match input.parse()? {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => {
                    Value::List(group.stream())
                }
                other => return Err(syn::Error::new_spanned(other, "expected parentheses")),
            }
        } else {
            Value::Alone
        };
        Ok(Self { key, value })
    }
}

/// What stands before the next comma that is not inside angle brackets, as in `HashMap<A, B>`. Where these do not
/// close, as in `1 << 3`, they were none.
fn until_comma(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let ahead = input.fork();
    match until(&ahead, true)? {
        Some(tokens) => {
            input.advance_to(&ahead);
            Ok(tokens)
        }
        None => Ok(until(input, false)?.unwrap_or_default()),
    }
}

fn until(input: ParseStream<'_>, angles: bool) -> syn::Result<Option<TokenStream>> {
    let mut tokens = TokenStream::new();
    let mut depth = 0_usize;
    while !input.is_empty() && (depth > 0 || !input.peek(Token![,])) {
        if input.peek(Token![->]) {
            input.parse::<Token![->]>()?.to_tokens(&mut tokens);
            continue;
        }
        let tree: TokenTree = input.parse()?;
        if let TokenTree::Punct(punct) = &tree
            && angles
        {
            match punct.as_char() {
                '<' => depth += 1,
                '>' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        tokens.extend([tree]);
    }
    Ok((depth == 0).then_some(tokens))
}

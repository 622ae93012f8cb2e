//! Taking out the value of a key, in the form that it should have.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::parse::Parse;
use syn::{Ident, LitInt, LitStr, Path, Type};

use super::entry::{self, Entry, Slip, Value};
use super::items::{AnyType, Expression, Function};
use super::slips::Slips;
use super::{List, ModPath, Options};
use crate::errors::{Errors, shown};
use crate::manifest;
use crate::names::kebab;

impl Options {
    /// `key = value`; the example shows a value.
    pub(crate) fn assigned<T: Parse>(&mut self, key: &str, example: &str, errors: &mut Errors) -> Option<T> {
        let entry = self.take(key)?;
        let wanted = format!("{key} = {example}");
        let is_assigned = matches!(entry.value, Value::Assigned(_));
        if is_assigned {
            self.no_rest(&entry, errors);
        }
        if let (Value::List(tokens), Slip::None) = (&entry.value, &entry.slip)
            && !tokens.is_empty()
            && syn::parse2::<T>(tokens.clone()).is_ok()
        {
            errors.at(&entry.key, format!("write `{key} = {}`, with `=`", shown(tokens)));
        } else if !is_assigned || matches!(entry.slip, Slip::At(..)) {
            self.wrong_form(&entry, &wanted, errors);
        }
        let (Value::Assigned(tokens) | Value::List(tokens)) = entry.value else { return None };
        match syn::parse2(tokens.clone()) {
            Ok(value) if !tokens.is_empty() => Some(value),
            // The form is reported.
            _ if !is_assigned || !matches!(entry.slip, Slip::None) => None,
            _ if tokens.is_empty() => {
                errors.at(&entry.key, format!("write `{wanted}`"));
                None
            }
            // syn's own message says what it expected; ours says what to write.
            _ => {
                let unquoted = unquoted(&tokens).map(|(text, value)| (in_rust(key, text), value));
                let wanted = match &unquoted {
                    Some((text, _)) => format!("write `{key} = {text}`, without quotes"),
                    None => format!("write `{wanted}`"),
                };
                errors.at(&tokens, wanted);
                unquoted.map(|(_, value)| value)
            }
        }
    }

    /// `key = "text"`
    pub(crate) fn string(&mut self, key: &str, errors: &mut Errors) -> Option<LitStr> {
        let is_word = |entry: &&Entry| {
            matches!(&entry.value, Value::Assigned(tokens) if syn::parse2::<Ident>(tokens.clone())
                .is_ok_and(|word| word.to_string().starts_with(char::is_lowercase)))
        };
        let word = self.entries.iter().find(|entry| entry.key == key && matches!(entry.slip, Slip::None));
        let Some(Value::Assigned(tokens)) = word.filter(is_word).map(|entry| &entry.value) else {
            return self.assigned(key, "\"..\"", errors);
        };
        let text = LitStr::new(&shown(tokens), Span::call_site());
        errors.at(tokens, format!("write `{key} = {}`, in quotes", text.to_token_stream()));
        self.take(key).map(|_| text)
    }

    /// `key = 2`
    pub(crate) fn integer(&mut self, key: &str, errors: &mut Errors) -> Option<LitInt> {
        self.assigned(key, "2", errors)
    }

    /// `key = Type`
    pub(crate) fn ty(&mut self, key: &str, errors: &mut Errors) -> Option<Type> {
        self.assigned(key, "Type", errors).map(|AnyType(ty)| ty)
    }

    /// `key = path::to::item`
    pub(crate) fn path(&mut self, key: &str, errors: &mut Errors) -> Option<Path> {
        self.assigned(key, "some::path", errors).map(|ModPath(path)| path)
    }

    /// `key = expression`, as it stands
    pub(crate) fn expression(&mut self, key: &str, errors: &mut Errors) -> Option<TokenStream> {
        self.assigned(key, "..", errors).map(|Expression(tokens)| tokens)
    }

    /// `key = function`: an expression that is no text
    pub(crate) fn function(&mut self, key: &str, errors: &mut Errors) -> Option<TokenStream> {
        self.assigned(key, "function", errors).map(|Function(tokens)| tokens)
    }

    /// `key`
    pub(crate) fn flag(&mut self, key: &str, errors: &mut Errors) -> Option<Span> {
        let entry = self.take(key)?;
        if !matches!(entry.value, Value::Alone) && !matches!(entry.slip, Slip::Reported) {
            errors.at(&entry.key, format!("`{key}` takes no value"));
        }
        self.no_rest(&entry, errors);
        Some(entry.key.span())
    }

    /// `key(item, item)`; the example shows items.
    pub(crate) fn list<T: Parse>(
        &mut self,
        key: &str,
        example: &str,
        errors: &mut Errors,
    ) -> Option<List<T>> {
        let earlier = errors.count();
        if let Some((key, text, value)) = self.quoted_item(key) {
            errors.at(&key, format!("write `{key}({text})`"));
            return Some(List { key, items: vec![value] });
        }
        let (key, mut tokens) = self.list_of(key, example, errors)?;
        let has_other_form = errors.count() > earlier;
        let mut slips = Slips::new(&mut self.reported, errors);
        if let Some((open, inner)) = only_group(tokens.clone()) {
            slips.errors.at_span(open, format!("write `{key}({example})`, without the inner brackets"));
            tokens = inner;
        }
        let before = slips.errors.count();
        let items = entry::items(tokens, &mut slips);
        // The other items most likely have the same mistake, and so has what stands beside a slip.
        let mut is_reported = has_other_form || slips.errors.count() > before;
        let parse = |item: TokenStream| match (syn::parse2(item.clone()), unquoted(&item)) {
            (Ok(value), _) => Some(value),
            (Err(_), Some((text, value))) => {
                slips.report("quotes", &item, format!("write `{text}`, without quotes"));
                Some(value)
            }
            (Err(error), None) => {
                if !std::mem::replace(&mut is_reported, true) {
                    slips.errors.at(&item, error);
                }
                None
            }
        };
        let parsed: Vec<_> = items.into_iter().map(parse).collect();
        // Of a list with a mistake, it is not known what else it should have.
        let items = parsed.into_iter().collect::<Option<_>>()?;
        Some(List { key, items })
    }

    /// The only item of a list that is written `key = "item"`, and is no text.
    fn quoted_item<T: Parse>(&mut self, key: &str) -> Option<(Ident, String, T)> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        let Value::Assigned(tokens) = &entry.value else { return None };
        let (text, value) = unquoted(tokens).filter(|_| syn::parse2::<T>(tokens.clone()).is_err())?;
        self.take(key).map(|entry| (entry.key, text, value))
    }

    /// The items of a list. What stands behind `key = ` is one all the same.
    fn list_of(&mut self, key: &str, example: &str, errors: &mut Errors) -> Option<(Ident, TokenStream)> {
        let entry = self.take(key)?;
        let Entry { value: Value::Assigned(tokens), rest, .. } = &entry else {
            return self.list_tokens(entry, example, errors);
        };
        let mut items = only_group(tokens.clone()).map_or_else(|| tokens.clone(), |(_, inner)| inner);
        items.extend(rest.iter().flat_map(|rest| quote::quote!(, #rest)));
        if items.is_empty() {
            return self.list_tokens(entry, example, errors);
        }
        let wanted = format!("{key}({})", shown(&items));
        self.wrong_form(&entry, &wanted, errors);
        Some((entry.key, items))
    }

    /// `key(tokens)`, as they stand; the example shows some.
    pub(crate) fn tokens(
        &mut self,
        key: &str,
        example: &str,
        errors: &mut Errors,
    ) -> Option<(Ident, TokenStream)> {
        let entry = self.take(key)?;
        self.list_tokens(entry, example, errors)
    }

    pub(super) fn list_tokens(
        &mut self,
        entry: Entry,
        example: &str,
        errors: &mut Errors,
    ) -> Option<(Ident, TokenStream)> {
        let is_list = matches!(entry.value, Value::List(_));
        if !is_list || matches!(entry.slip, Slip::At(..)) {
            self.wrong_form(&entry, &format!("{}({example})", entry.key), errors);
        }
        match entry.value {
            Value::List(tokens) => Some((entry.key, tokens)),
            // `key = (..)` and `key = [..]` are lists all the same.
            Value::Assigned(tokens) => Some((entry.key, only_group(tokens)?.1)),
            Value::Alone => None,
        }
    }

    /// `key(key = .., key(..))`; the example shows what may stand in the parentheses.
    pub(crate) fn options(
        &mut self,
        key: &'static str,
        known: &'static [&'static str],
        example: &str,
        errors: &mut Errors,
    ) -> Option<(Ident, Self)> {
        let (token, tokens) = self.tokens(key, example, errors)?;
        Some((token, Self::nested(key, known, tokens, errors)))
    }

    /// `name = ".."`: the name that the store knows the item by; without it, the item's own in kebab case.
    pub(crate) fn stored_name(&mut self, item: &Ident, errors: &mut Errors) -> LitStr {
        self.string("name", errors).unwrap_or_else(|| LitStr::new(&kebab(&item.to_string()), item.span()))
    }

    /// `crate = path`: where factum is, if that is neither its own name nor the one in the crate's manifest.
    pub(crate) fn krate(&mut self, errors: &mut Errors) -> Path {
        self.path("crate", errors).unwrap_or_else(manifest::factum)
    }
}

/// The tokens in the one group that all is in, and the place of its bracket.
fn only_group(tokens: TokenStream) -> Option<(Span, TokenStream)> {
    let mut trees = tokens.into_iter();
    match (trees.next(), trees.next()) {
        (Some(TokenTree::Group(group)), None) if group.delimiter() != Delimiter::None => {
            Some((group.span_open(), group.stream()))
        }
        _ => None,
    }
}

/// The type that a text in quotes names: the databases are types.
fn in_rust(key: &str, text: String) -> String {
    const DATABASES: [(&str, &str); 4] =
        [("sqlite", "Sqlite"), ("sql", "Sql"), ("postgres", "Postgres"), ("postgresql", "Postgres")];
    let database = DATABASES.iter().find(|(name, _)| key == "into" && *name == text);
    database.map_or(text, |(_, database)| (*database).to_owned())
}

/// What stands in quotes, if it would be right without them.
fn unquoted<T: Parse>(tokens: &TokenStream) -> Option<(String, T)> {
    let text: LitStr = syn::parse2(tokens.clone()).ok()?;
    Some((text.value(), text.parse().ok()?))
}

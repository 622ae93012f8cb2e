//! Taking out the value of a key, in the form that it should have.

use proc_macro2::{Span, TokenStream};
use syn::parse::{Parse, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Ident, LitInt, LitStr, Path, Token, Type};

use super::entry::{AnyType, Expression, Value};
use super::{List, ModPath, Options};
use crate::errors::Errors;
use crate::names::kebab;

impl Options {
    /// `key = value`; the example shows a value.
    pub(crate) fn assigned<T: Parse>(&mut self, key: &str, example: &str, errors: &mut Errors) -> Option<T> {
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
        self.assigned(key, "expression", errors).map(|Expression(tokens)| tokens)
    }

    /// `key`
    pub(crate) fn flag(&mut self, key: &str, errors: &mut Errors) -> Option<Span> {
        let entry = self.take(key)?;
        if !matches!(entry.value, Value::Alone) {
            errors.at(&entry.key, format!("`{key}` takes no value"));
        }
        Some(entry.key.span())
    }

    /// `key(item, item)`; the example shows items.
    pub(crate) fn list<T: Parse>(
        &mut self,
        key: &str,
        example: &str,
        errors: &mut Errors,
    ) -> Option<List<T>> {
        let (key, tokens) = self.tokens(key, example, errors)?;
        let parsed = Punctuated::<T, Token![,]>::parse_terminated.parse2(tokens);
        Some(List { key, items: errors.ok(parsed)?.into_iter().collect() })
    }

    /// `key(tokens)`, as they stand; the example shows some.
    pub(crate) fn tokens(
        &mut self,
        key: &str,
        example: &str,
        errors: &mut Errors,
    ) -> Option<(Ident, TokenStream)> {
        let entry = self.take(key)?;
        match entry.value {
            Value::List(tokens) => Some((entry.key, tokens)),
            Value::Alone | Value::Assigned(_) => {
                errors.at(&entry.key, format!("write `{key}({example})`"));
                None
            }
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

    /// `crate = path`: where factum is, if a dependent crate renamed it.
    pub(crate) fn krate(&mut self, errors: &mut Errors) -> Path {
        self.path("crate", errors).unwrap_or_else(|| {
            let mut path = Path::from(Ident::new("factum", Span::call_site()));
            path.leading_colon = Some(<Token![::]>::default());
            path
        })
    }
}

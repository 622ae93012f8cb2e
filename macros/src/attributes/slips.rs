//! Slips of syntax in one attribute, each kind reported once.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::ParseStream;
use syn::{Ident, LitInt, LitStr, Token};

use crate::errors::{Errors, shown};

pub(super) struct Slips<'e> {
    pub(super) errors: &'e mut Errors,
    /// The kinds of slips that are reported.
    reported: &'e mut Vec<&'static str>,
}

impl<'e> Slips<'e> {
    pub(super) fn new(reported: &'e mut Vec<&'static str>, errors: &'e mut Errors) -> Self {
        Self { errors, reported }
    }

    /// Whether there was one. A key that seems to be missing may then be part of it.
    pub(super) fn any(&self) -> bool {
        !self.reported.is_empty()
    }

    /// Reports a slip. A second one of its kind is most likely the same misunderstanding.
    pub(super) fn report(&mut self, kind: &'static str, at: &impl ToTokens, message: impl std::fmt::Display) {
        if !self.reported.contains(&kind) {
            self.errors.at(at, message);
            self.reported.push(kind);
        }
    }

    /// Reports a value without its key.
    pub(super) fn without_key(&mut self, value: &TokenStream, attribute: &str, known: &[&str]) {
        let shown = shown(value);
        let is_text = syn::parse2::<LitStr>(value.clone()).is_ok();
        let is_number = syn::parse2::<LitInt>(value.clone()).is_ok();
        let meant = [("name", is_text), ("since", is_number), ("every", is_number)];
        let hint = match meant.iter().find(|(key, is_meant)| *is_meant && known.contains(key)) {
            Some((key, _)) => format!("write `{key} = {shown}`"),
            None => format!("`{attribute}(..)` knows `{}`", known.join("`, `")),
        };
        self.report("key", value, format!("`{shown}` has no key; {hint}"));
    }

    /// Reads and reports a comment, an attribute, or a separator too many; whether there was one.
    pub(super) fn skip(&mut self, input: ParseStream<'_>) -> syn::Result<bool> {
        if input.peek(Token![,]) || input.peek(Token![;]) {
            let sign: TokenTree = input.parse()?;
            self.report("nothing", &sign, format!("expected a key or an item before this `{sign}`"));
            return Ok(true);
        }
        if !is_attribute(input) {
            return Ok(false);
        }
        let mut tokens = TokenStream::new();
        input.parse::<Token![#]>()?.to_tokens(&mut tokens);
        input.parse::<Option<Token![!]>>()?.to_tokens(&mut tokens);
        let group: TokenTree = input.parse()?;
        let is_comment = matches!(&group, TokenTree::Group(group)
            if syn::parse2::<Ident>(group.stream().into_iter().take(1).collect()).is_ok_and(|name| name == "doc"));
        tokens.extend([group]);
        if is_comment {
            self.report(
                "comment",
                &tokens,
                "write a comment in an attribute with `//`: rustc reads `///` as code",
            );
        } else {
            let shown = shown(&tokens);
            self.report(
                "attribute",
                &tokens,
                format!("`{shown}` can't stand inside an attribute: take it out"),
            );
        }
        Ok(true)
    }
}

/// Whether an attribute comes next. To rustc, a doc comment is one.
pub(super) fn is_attribute(input: ParseStream<'_>) -> bool {
    let is_inner = input.peek2(Token![!]) && input.peek3(syn::token::Bracket);
    input.peek(Token![#]) && (input.peek2(syn::token::Bracket) || is_inner)
}

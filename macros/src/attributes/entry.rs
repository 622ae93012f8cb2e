//! One entry of an attribute: a key, and what is written for it.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::discouraged::Speculative as _;
use syn::parse::{Parse, ParseStream};
use syn::{Ident, Path, Token, Type};

use crate::lengths::{is_expression, without_lengths};

pub(super) struct Entry {
    pub(super) key: Ident,
    pub(super) value: Value,
}

pub(super) enum Value {
    /// `key`
    Alone,
    /// `key = tokens`
    Assigned(TokenStream),
    /// `key(tokens)`
    List(TokenStream),
}

/// A path without generic arguments.
pub(crate) struct ModPath(pub(crate) Path);

impl Parse for ModPath {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Path::parse_mod_style(input).map(Self)
    }
}

/// A type, with any array lengths.
pub(super) struct AnyType(pub(super) Type);

impl Parse for AnyType {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        without_lengths(input.parse()?, syn::parse2, |ty| vec![ty]).map(Self)
    }
}

/// An expression, as it stands.
pub(super) struct Expression(pub(super) TokenStream);

impl Parse for Expression {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let tokens: TokenStream = input.parse()?;
        is_expression(&tokens).map(|()| Self(tokens))
    }
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

/// The tokens before the next comma that is not inside angle brackets, as in `HashMap<A, B>`. Angles that do not close
/// are no brackets, as in `1 << 3`.
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

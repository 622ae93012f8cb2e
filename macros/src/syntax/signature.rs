//! The signature of a method: its receiver, its arguments, what it returns.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Attribute, Ident, Token, Type};

use super::types::{has_word, type_name};
use crate::lengths::without_lengths;
use crate::markers::ReceiverKind;

pub(crate) struct Signature {
    pub(crate) receiver: Receiver,
    pub(crate) arguments: Vec<Type>,
    pub(crate) output: Option<Type>,
    /// The first `#[cfg(..)]` of an argument.
    pub(crate) cfg: Option<Attribute>,
}

/// How a method takes `self`, and the tokens that say so; without a receiver, those of what stands for it, or the method's name.
pub(crate) struct Receiver {
    pub(crate) kind: ReceiverKind,
    pub(crate) tokens: TokenStream,
}

impl Signature {
    /// The signature of the method `name` of the type `self_ty`.
    pub(super) fn parse(
        name: &Ident,
        self_ty: &Type,
        arguments: TokenStream,
        output: TokenStream,
    ) -> syn::Result<Self> {
        let self_ty = self_ty.to_token_stream().to_string();
        let Arguments { receiver, types: mut arguments, cfg } = without_lengths(
            arguments,
            |arguments| (|input: ParseStream<'_>| parse_arguments(input, &self_ty)).parse2(arguments),
            |arguments| arguments.types.iter_mut().collect(),
        )?;
        let receiver = receiver.unwrap_or_else(|| {
            let is_state = |ty: &Type| {
                type_name(ty).is_some_and(|name| name == "Self" || self_ty == name.to_string().as_str())
            };
            // The state is given as an argument of a function: it stands for `self`.
            let state = arguments.first().is_some_and(is_state).then(|| arguments.remove(0));
            let tokens = state.map_or_else(|| name.to_token_stream(), Type::into_token_stream);
            Receiver { kind: ReceiverKind::None, tokens }
        });
        Ok(Self { receiver, arguments, output: parse_output(output)?, cfg })
    }
}

/// The type that a method returns, unless it is `()`.
fn parse_output(output: TokenStream) -> syn::Result<Option<Type>> {
    let ty = if has_word(output.clone(), "impl") {
        // Generated code can't repeat it. syn has no part of its grammar, `use<..>`, without its feature `full`.
        Type::Verbatim(output)
    } else if output.is_empty() {
        return Ok(None);
    } else {
        without_lengths(output, syn::parse2, |ty| vec![ty])?
    };
    Ok(Some(ty).filter(|ty| !matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())))
}

/// How `self` is taken, if it is, and the types of the other arguments.
struct Arguments {
    receiver: Option<Receiver>,
    types: Vec<Type>,
    cfg: Option<Attribute>,
}

fn parse_arguments(input: ParseStream<'_>, self_ty: &str) -> syn::Result<Arguments> {
    let mut receiver = None;
    let mut types = Vec::new();
    let mut cfg = None;
    while !input.is_empty() {
        let attributes = input.call(Attribute::parse_outer)?;
        cfg = cfg.or_else(|| attributes.into_iter().find(|attribute| attribute.path().is_ident("cfg")));
        if let Some(found) = self_argument(input, self_ty)? {
            receiver = Some(found);
        } else {
            // The pattern: everything up to the colon that begins the type.
            while !input.peek(Token![:]) || input.peek(Token![::]) {
                if input.parse::<Option<Token![::]>>()?.is_none() {
                    input.parse::<TokenTree>()?;
                }
            }
            input.parse::<Token![:]>()?;
            types.push(input.parse()?);
        }
        if input.parse::<Option<Token![,]>>()?.is_none() {
            break;
        }
    }
    Ok(Arguments { receiver, types, cfg })
}

/// `self` in one of its forms, if that is what comes next.
fn self_argument(input: ParseStream<'_>, self_ty: &str) -> syn::Result<Option<Receiver>> {
    let ahead = input.fork();
    let mut form = TokenStream::new();
    let by_reference = ahead.parse::<Option<Token![&]>>()?;
    by_reference.to_tokens(&mut form);
    if by_reference.is_some() {
        ahead.parse::<Option<syn::Lifetime>>()?.to_tokens(&mut form);
    }
    let mutable = ahead.parse::<Option<Token![mut]>>()?;
    mutable.to_tokens(&mut form);
    // `self::Name` begins the pattern of some other argument.
    if !ahead.peek(Token![self]) || ahead.peek2(Token![::]) {
        return Ok(None);
    }
    ahead.parse::<Token![self]>()?.to_tokens(&mut form);
    let mut by_reference = by_reference.is_some().then(|| mutable.is_some());
    let mut typed = false;
    if ahead.parse::<Option<Token![:]>>()?.is_some() {
        let ty: Type = ahead.parse()?;
        // `self: &Self` is `&self`, by the name of the type too.
        by_reference = match &ty {
            Type::Reference(reference)
                if ["Self", self_ty].contains(&&*reference.elem.to_token_stream().to_string()) =>
            {
                Some(reference.mutability.is_some())
            }
            _ => {
                typed = true;
                by_reference
            }
        };
        ty.to_tokens(&mut form);
    }
    syn::parse::discouraged::Speculative::advance_to(input, &ahead);
    let kind = match by_reference {
        Some(false) if !typed => ReceiverKind::Shared,
        Some(true) if !typed => ReceiverKind::Exclusive,
        _ => ReceiverKind::Other,
    };
    Ok(Some(Receiver { kind, tokens: form }))
}

//! Items of lists, with messages that say how to write them.

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::parse::discouraged::Speculative as _;
use syn::parse::{Parse, ParseStream};
use syn::{GenericArgument, Ident, LitStr, Path, PathArguments, Token, Type};

use crate::errors::shown;
use crate::lengths::{is_expression, without_lengths};

/// A path without generic arguments, to a type or a function.
pub(crate) struct ModPath(pub(crate) Path);

/// A type, with any array lengths.
pub(super) struct AnyType(pub(super) Type);

/// A text in quotes.
pub(crate) struct Text(pub(crate) LitStr);

/// An expression, as it stands.
pub(super) struct Expression(pub(super) TokenStream);

impl Parse for Expression {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let tokens: TokenStream = input.parse()?;
        is_expression(&tokens).map(|()| Self(tokens))
    }
}

impl Parse for AnyType {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        without_lengths(input.parse()?, syn::parse2, |ty| vec![ty]).map(Self)
    }
}

/// An expression that is not a text, which only looks like the name of a function.
pub(super) struct Function(pub(super) TokenStream);

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            return Err(input.error("expected a function"));
        }
        input.parse().map(|Expression(tokens)| Self(tokens))
    }
}

/// The path of a type that a list has.
pub(crate) struct TypePath(pub(crate) Path);

impl Parse for TypePath {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ModPath(path) = input.parse()?;
        if path.segments.first().is_some_and(|first| first.ident == "Self") {
            let message = format!("`{}` is no type: write the type's name", shown(&path));
            return Err(syn::Error::new_spanned(path, message));
        }
        Ok(Self(path))
    }
}

impl Parse for ModPath {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ahead = input.fork();
        if let Ok(path) = Path::parse_mod_style(&ahead)
            && (ahead.is_empty() || ahead.peek(Token![as]))
            && let Some(last) = path.segments.last()
            && syn::parse2::<Ident>(last.to_token_stream()).is_ok()
        {
            input.advance_to(&ahead);
            return Ok(Self(path));
        }
        let tokens: TokenStream = input.parse()?;
        Err(syn::Error::new_spanned(&tokens, what_is_wrong(&tokens)))
    }
}

impl Parse for Text {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            return input.parse().map(Self);
        }
        let tokens: TokenStream = input.parse()?;
        Err(syn::Error::new_spanned(&tokens, format!("write `\"{}\"`, in quotes", shown(&tokens))))
    }
}

/// Why these tokens are no path without generic arguments.
fn what_is_wrong(tokens: &TokenStream) -> String {
    let written = shown(tokens);
    if let Ok(text) = syn::parse2::<LitStr>(tokens.clone()) {
        return format!("write `{}`, without quotes", text.value());
    }
    if written.ends_with("::") {
        return format!("expected a name after `{written}`");
    }
    match syn::parse2::<Type>(tokens.clone()) {
        Ok(Type::Path(path)) if path.path.segments.iter().all(|segment| segment.arguments.is_none()) => {
            format!("`{written}` is no type: write the type's name")
        }
        Ok(ty) => match inner(&ty) {
            Some(inner) => format!("write the type itself, `{}`", shown(inner)),
            None => format!("`{written}` is no plain type: write the type's name, without arguments"),
        },
        Err(_) => format!("expected the name of a type, found `{written}`"),
    }
}

/// `T` of `&T`, `Box<T>` and `(T)`.
fn inner(ty: &Type) -> Option<&Type> {
    match ty {
        Type::Reference(reference) => Some(inner(&reference.elem).unwrap_or(&reference.elem)),
        Type::Paren(paren) => Some(inner(&paren.elem).unwrap_or(&paren.elem)),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
            let is_wrapper =
                ["Box", "Rc", "Arc", "Vec", "Option"].iter().any(|wrapper| last.ident == wrapper);
            match arguments.args.first()? {
                GenericArgument::Type(ty) if is_wrapper => Some(inner(ty).unwrap_or(ty)),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_told_from_parts_of_them() {
        for text in [
            "1 << 3",
            "a < b",
            "-1",
            "0..5",
            "..5",
            "5..",
            "a..=b",
            "Vec::<HashMap<_, u8>>::new()",
            "|a, &b| -> u8 { let c = a + b; c }",
            "move |_: Foo<'_>| 1",
            "|x| x.parse::<u8>()?",
            "if a { 1 } else { 2 } + 3",
            "match x { 1 => 2, _ => 3, }",
            "x as fn() -> !",
            "'a: loop { break 'a 1 }",
            "[0; 4]",
            "Some { 0: 1, }",
            "vec![1 +]",
            "a.b?",
            "unsafe { f() }",
            "<u8 as Default>::default()",
            "f::<&'a str>(b).0[1]",
        ] {
            assert!(syn::parse_str::<Expression>(text).is_ok(), "{text}");
        }
        for text in [
            "1 +", "u64::", "/ 2", "1 2", "a b", "x.", "x =", "1 as", "match 1", "if a", "|x|", "a,", "= 1",
            "5;",
        ] {
            assert!(syn::parse_str::<Expression>(text).is_err(), "{text}");
        }
        // A text is most likely a function in quotes.
        assert!(syn::parse_str::<Function>("u8::from").is_ok());
        assert!(syn::parse_str::<Function>("\"u8::from\"").is_err());
    }
}

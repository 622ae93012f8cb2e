//! The return type of a method, as far as its tokens say what it is.

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned as _;
use syn::{GenericArgument, Ident, PathArguments, Token, Type};

use crate::syntax::has_word;

/// The two types in `Result<T, E>`, each if generated code can repeat it; `None` if the type is no `Result`.
pub(super) fn result_parts(output: &Type) -> Option<(Option<&Type>, Option<&Type>)> {
    let Type::Path(path) = output else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Result")?;
    // Without arguments, `Result` may be an event or an alias: rustc finds out.
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    let mut types = arguments.args.iter().map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty).filter(|ty| !is_opaque(ty)),
        _ => None,
    });
    Some((types.next().flatten(), types.next().flatten()))
}

/// A call of a method, placed where `ty` is: an error about that type has its caret there.
pub(super) fn call_at(ty: Option<&Type>, method: &Ident, arguments: TokenStream) -> TokenStream {
    let span = ty.map_or_else(Span::mixed_site, placed_at);
    let mut arguments = Group::new(Delimiter::Parenthesis, arguments);
    arguments.set_span(span);
    quote_spanned!(span=> Self::#method #arguments)
}

/// The place of a type, for names of our own.
pub(super) fn placed_at(ty: &Type) -> Span {
    ty.span().resolved_at(Span::mixed_site())
}

/// A type that rustc infers, placed where the user wrote it: an error about it has its caret there.
pub(super) fn inferred_at(ty: &Type) -> Token![_] {
    Token![_](ty.span())
}

/// Whether a type has `impl Trait` in it, which generated code can't repeat.
pub(super) fn is_opaque(ty: &Type) -> bool {
    has_word(quote!(#ty), "impl")
}

//! The return type of a method, as far as its tokens say what it is.

use syn::{GenericArgument, PathArguments, Type};

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

/// Whether a type has `impl Trait` in it, which generated code can't repeat.
pub(super) fn is_opaque(ty: &Type) -> bool {
    has_word(quote!(#ty), "impl")
}

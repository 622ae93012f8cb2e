//! What a method returns, as far as its type says so.

use syn::{GenericArgument, PathArguments, Type};

/// The two types in `Result<T, E>`, each if it can be written again; `None` if it is something else.
pub(super) fn result_parts(output: &Type) -> Option<(Option<&Type>, Option<&Type>)> {
    let Type::Path(path) = output else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Result")?;
    // An event may be called `Result`; an alias of that name has arguments, or none and is looked into by rustc.
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    let mut types = arguments.args.iter().map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty).filter(|ty| !is_opaque(ty)),
        _ => None,
    });
    Some((types.next().flatten(), types.next().flatten()))
}

/// `impl Trait` can't be named a second time.
pub(super) fn is_opaque(ty: &Type) -> bool {
    quote!(#ty).to_string().split(' ').any(|word| word == "impl")
}

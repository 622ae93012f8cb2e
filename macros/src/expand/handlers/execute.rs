//! What `impl Execute<C>` needs of an `#[execute]` method.

use std::collections::HashMap;

use proc_macro2::TokenStream;
use syn::{Ident, Path, Type};

use super::output::{call_at, inferred_at, is_opaque, result_parts};
use super::{handled, named_at};
use crate::markers::HandlerTrait;
use crate::rules::{Handler, Handlers};
use crate::syntax::MethodSyntax;

/// Error types by name, each as the first method of the block has it. rustc finds a type that is no error of the aggregate in
/// each method; at one place, these are one error.
pub(super) type ErrorTypes<'s> = HashMap<String, &'s Type>;

pub(super) fn error_types<'s>(model: &Handlers<'s>) -> ErrorTypes<'s> {
    let mut types = HashMap::new();
    let is_execute = |handler: &&Handler<'_>| matches!(handler.implements, HandlerTrait::Execute);
    for handler in model.methods.iter().filter(is_execute) {
        let Some(output) = &handler.method.output else { continue };
        match result_parts(output) {
            Some((Some(_), Some(error))) => {
                if let Some(name) = plain_name(error) {
                    types.entry(name).or_insert(error);
                }
            }
            Some(_) => drop(types.entry(ALIAS.to_owned()).or_insert(output)),
            None => {}
        }
    }
    types
}

/// The name under which the map has the first alias of a `Result`, whose error has no name.
const ALIAS: &str = "";

/// A type's name, if it is no more than that: in one block, it is one type.
fn plain_name(ty: &Type) -> Option<String> {
    let Type::Path(path) = ty else { return None };
    path.path.get_ident().map(Ident::to_string)
}

/// The handler as a row of the runtime's macro `execute!`, which makes the impl.
pub(super) fn execute(
    krate: &Path,
    self_ty: &Ident,
    handler: &Handler<'_>,
    attributes: &TokenStream,
    error_types: &ErrorTypes<'_>,
) -> TokenStream {
    let MethodSyntax { name, arguments, output, .. } = handler.method;
    let command = handled(krate, handler);
    let (services, pass_services) = match arguments.get(1) {
        None => (quote!(_), None),
        Some(argument) => {
            let passed = named_at(argument, "__services");
            (quote!(__services), Some(quote!(, #passed)))
        }
    };
    // What never returns makes the code around it unreachable.
    let diverging = quote!(#attributes #[allow(unreachable_code)]);
    if !handler.is_valid {
        return quote!({ #diverging } #self_ty: #command, #services [] decide_infallible [()] (::core::unreachable!()););
    }
    let attributes = if let Some(Type::Never(_)) = output { &diverging } else { attributes };
    let call = call_at(arguments.get(1), name, quote!(self, __command #pass_services));
    let (emitted, decided) = (emitted(output.as_ref()), decided(output.as_ref(), error_types));
    quote!({ #attributes } #self_ty: #command, #services [#emitted] #decided (#call);)
}

/// The function that makes the handler's return value that of `execute`, and its types. They are the user's, so that an error
/// about them has its caret where the user wrote them.
fn decided(output: Option<&Type>, error_types: &ErrorTypes<'_>) -> TokenStream {
    let Some(output) = output.filter(|output| !matches!(output, Type::Never(_))) else {
        return quote!(decide_infallible[()]);
    };
    if is_opaque(output) {
        let events = inferred_at(output);
        return quote!(decide [#events, _]);
    }
    match result_parts(output) {
        Some((Some(events), Some(error))) => {
            let first = plain_name(error).and_then(|name| error_types.get(&name).copied());
            let error = first.unwrap_or(error);
            // By its name, the first type may be the error of an alias, as in `Result<E, T>`: rustc knows.
            if plain_name(events).is_some() {
                let (events, error) = (inferred_at(events), inferred_at(error));
                return quote!(decide_fallible [#events, #error]);
            }
            quote!(decide_fallible [#events, #error])
        }
        // An alias: rustc knows what its parameters mean.
        Some((events, _)) => {
            let events = inferred_at(events.unwrap_or(output));
            let error = inferred_at(error_types.get(ALIAS).copied().unwrap_or(output));
            quote!(decide_fallible [#events, #error])
        }
        None if is_plain(output) => quote!(decide_infallible [#output]),
        None => quote!(decide [#output, _]),
    }
}

/// The events that the handler can return, as far as its type says that: a `Result` by another name does not.
fn emitted(output: Option<&Type>) -> Option<TokenStream> {
    match output {
        None => Some(quote!(())),
        Some(output) if is_opaque(output) || matches!(output, Type::Never(_)) => None,
        Some(output) => {
            let events = result_parts(output).map_or(Some(output), |(events, _)| events)?;
            Some(quote!(#events))
        }
    }
}

/// A type that is certainly not a `Result` by another name.
fn is_plain(output: &Type) -> bool {
    match output {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|last| ["Option", "Vec", "Events"].iter().any(|plain| last.ident == plain)),
        Type::Tuple(_) | Type::Array(_) => true,
        _ => false,
    }
}

//! What a `#[handlers]` block and its marked methods must be like.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use quote::ToTokens;
use syn::{Ident, Type};

use crate::errors::Errors;
use crate::markers::{Handles, MARKERS};
use crate::syntax::{HandlersSyntax, MethodSyntax};

pub(crate) struct Handlers<'s> {
    pub(crate) syntax: &'s HandlersSyntax,
    pub(crate) methods: Vec<Handler<'s>>,
}

/// A marked method.
pub(crate) struct Handler<'s> {
    pub(crate) method: &'s MethodSyntax,
    /// Whether it keeps the rules of its marker. It gets an impl in any case, so that rustc does not report a missing one.
    pub(crate) is_valid: bool,
}

pub(crate) fn handlers<'s>(syntax: &'s HandlersSyntax, errors: &mut Errors) -> Handlers<'s> {
    let mut methods = Vec::new();
    if is_inherent(syntax, errors) {
        let mut names = BTreeMap::new();
        for method in &syntax.methods {
            one_marker(method, errors);
            let is_valid = has_signature_of_marker(method, errors);
            if is_handled_once(method, &mut names, errors) && !method.arguments.is_empty() {
                methods.push(Handler { method, is_valid });
            }
        }
    }
    Handlers { syntax, methods }
}

/// The block is one of the type itself, without generic parameters.
fn is_inherent(syntax: &HandlersSyntax, errors: &mut Errors) -> bool {
    if let Some(of_trait) = &syntax.block.of_trait {
        errors.at(
            of_trait,
            "`#[handlers]` goes on an `impl` block of the type itself; an `impl` of a trait stays as it is",
        );
        return false;
    }
    if !syntax.block.generics.params.is_empty() {
        errors.at(&syntax.block.generics, "`#[handlers]` goes on an `impl` without generic parameters");
        return false;
    }
    true
}

fn one_marker(method: &MethodSyntax, errors: &mut Errors) {
    let Some(second) = &method.second_marker else { return };
    let mut names: Vec<_> = MARKERS.iter().map(|marker| format!("`#[{}]`", marker.name)).collect();
    let last = names.pop().unwrap_or_default();
    errors.at(second, format!("a method has one of {} and {last}", names.join(", ")));
}

/// Whether a method has the signature that its marker asks for.
fn has_signature_of_marker(syntax: &MethodSyntax, errors: &mut Errors) -> bool {
    let MethodSyntax { marker, name, arguments, generics, .. } = syntax;
    let method = marker.method;
    let mut is_valid = true;
    let mut wrong = |tokens: &dyn ToTokens, message: String| {
        errors.at(&tokens.to_token_stream(), message);
        is_valid = false;
    };
    if let Some(asyncness) = &syntax.asyncness {
        wrong(asyncness, format!("{method} is not async: {}", marker.not_async));
    }
    // A named lifetime means what an elided one means.
    if generics.type_params().next().is_some() || generics.const_params().next().is_some() {
        wrong(generics, format!("{method} has no generic parameters: one method, one type"));
    }
    if !marker.receivers.contains(&syntax.receiver.kind) {
        wrong(&syntax.receiver.tokens, format!("{method} {}", marker.takes));
    }
    if arguments.len() < *marker.arguments.start() {
        wrong(name, format!("write it as `{}`", marker.example(name)));
    } else if let Some(extra) = arguments.get(*marker.arguments.end()) {
        wrong(extra, format!("write it as `{}`", marker.example(name)));
    }
    match (marker.handles, arguments.first()) {
        (Handles::Owned(what), Some(first @ Type::Reference(_))) => {
            wrong(first, format!("{method} takes its {what} by value: leave out the `&`"));
        }
        (Handles::BorrowedEvent, Some(event)) if !matches!(event, Type::Reference(_)) => {
            wrong(event, format!("{method} borrows its event: write `&{}`", event.to_token_stream()));
        }
        _ => {}
    }
    if let (Some(why), Some(output)) = (marker.no_output, &syntax.output) {
        wrong(output, format!("{method} {why}"));
    }
    is_valid
}

/// Whether no earlier method of the block handles the type; `names` has those methods, by marker and type.
fn is_handled_once<'s>(
    method: &'s MethodSyntax,
    names: &mut BTreeMap<(&'static str, String), &'s Ident>,
    errors: &mut Errors,
) -> bool {
    // Of two methods with `cfg`, a build may have only one.
    let Some(ty) = method.handled().filter(|_| method.cfgs.is_empty()) else { return true };
    match names.entry((method.marker.name, ty.to_token_stream().to_string())) {
        Entry::Occupied(other) => {
            errors.at(ty, format!("`{}` handles `{}` already", other.get(), other.key().1));
            false
        }
        Entry::Vacant(first) => {
            first.insert(&method.name);
            true
        }
    }
}

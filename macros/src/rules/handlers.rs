//! What a `#[handlers]` block and its marked methods must be like.

mod stray;

use std::cell::LazyCell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use quote::ToTokens;
use syn::{Ident, Type};

use crate::errors::{Errors, shown};
use crate::markers::{HandlerTrait, Handles, MARKERS, Marker};
use crate::syntax::{HandlersSyntax, MethodSyntax, bare_type, find_part, object_name, type_name, ungrouped};

pub(crate) struct Handlers<'s> {
    pub(crate) syntax: &'s HandlersSyntax,
    pub(crate) methods: Vec<Handler<'s>>,
    /// Whether the block is one of the type itself, without generic parameters.
    pub(crate) is_inherent: bool,
}

/// A marked method.
pub(crate) struct Handler<'s> {
    pub(crate) method: &'s MethodSyntax,
    /// The command or event that it handles; `None` if its arguments do not say which one.
    pub(crate) handled: Option<&'s Type>,
    /// The trait that it becomes: that of its marker, unless another one was meant.
    pub(crate) implements: HandlerTrait,
    /// Whether it keeps the rules of its marker. It gets an impl in any case, so that rustc does not report a missing one.
    pub(crate) is_valid: bool,
}

pub(crate) fn handlers<'s>(syntax: &'s HandlersSyntax, errors: &mut Errors) -> Handlers<'s> {
    let mut methods = Vec::new();
    let is_inherent = is_inherent(syntax, errors);
    if is_inherent {
        let all_handled = LazyCell::new(|| syntax.methods.iter().filter_map(handled).map(shown).collect());
        let mut names = BTreeMap::new();
        let strays = stray::strays(syntax);
        for method in &syntax.methods {
            one_marker(method, errors);
            let meant = strays.meant(syntax, method, errors);
            let is_valid = meant.is_none()
                && has_same_arguments(method, errors)
                && has_signature_of_marker(method, errors)
                && takes_services(method, &all_handled, errors);
            let handled = handled(method).filter(|handled| !is_every_struct(syntax, method, handled, errors));
            let is_first = is_handled_once(method, handled, &mut names, errors);
            methods.push(Handler {
                method,
                handled: handled.filter(|_| is_first),
                implements: meant.unwrap_or(method.marker.implements),
                is_valid: is_valid && is_first,
            });
        }
    }
    Handlers { syntax, methods, is_inherent }
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

/// Whether the method has the same arguments in each build.
fn has_same_arguments(method: &MethodSyntax, errors: &mut Errors) -> bool {
    let Some(cfg) = &method.argument_cfg else { return true };
    let attribute = method.marker.name;
    errors.at(
        cfg,
        format!("an argument of a method with `#[{attribute}]` has no `cfg`: write two methods, each with its `#[cfg(..)]`"),
    );
    false
}

/// The argument with the command or event, and its index: the first, unless the arguments are in the wrong order.
fn subject(method: &MethodSyntax) -> Option<(usize, &Type)> {
    let is_subject = |ty: &Type| match method.marker.handles {
        Handles::Owned(_) => !matches!(ungrouped(ty), Type::Reference(_)),
        Handles::Borrowed(_) => beside_the_event(ty).is_none(),
    };
    let mut arguments = method.arguments.iter().enumerate();
    let first = arguments.next()?;
    // Of the user's types, one may have a name of ours: then the first is the event.
    if is_subject(first.1) { Some(first) } else { arguments.find(|(_, ty)| is_subject(ty)).or(Some(first)) }
}

/// The command or event, if the arguments say which one.
fn handled(method: &MethodSyntax) -> Option<&Type> {
    subject(method).and_then(|(_, argument)| bare_type(argument)).filter(|ty| is_struct(ty))
}

/// What an argument is, behind references.
fn argument_type(ty: &Type) -> &Type {
    match ungrouped(ty) {
        Type::Reference(reference) => argument_type(&reference.elem),
        ty => ty,
    }
}

/// Types that have a name and are no struct of the user's.
const NO_STRUCTS: [&str; 18] = [
    "Self", "String", "bool", "char", "f32", "f64", "i128", "i16", "i32", "i64", "i8", "isize", "str",
    "u128", "u16", "u32", "u64", "u8",
];

fn is_struct(ty: &Type) -> bool {
    !is_no_struct(ty)
}

/// Whether a type is surely no struct of the user's.
pub(super) fn is_no_struct(ty: &Type) -> bool {
    type_name(ty).is_some_and(|name| NO_STRUCTS.iter().any(|other| name == other))
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
    if let (Some(asyncness), Some(why)) = (&syntax.asyncness, marker.not_async) {
        wrong(asyncness, format!("{method} is not async: {why}"));
    }
    if let Some(unsafety) = &syntax.unsafety {
        wrong(unsafety, format!("{method} is not unsafe: generated code calls it"));
    }
    // A named lifetime means what an elided one means.
    let one_type = || format!("{method} has no generic parameters: one method, one type");
    let is_generic = generics.type_params().next().is_some() || generics.const_params().next().is_some();
    if is_generic {
        wrong(generics, one_type());
    }
    if !marker.receivers.contains(&syntax.receiver.kind) {
        wrong(&syntax.receiver.tokens, format!("{method} {}", marker.takes));
    }
    let example = || marker.example(name, handled(syntax).map(shown).as_deref());
    let no_struct = |ty: &Type| {
        let (what, shown) = (marker.handles.what(), shown(ty));
        format!("{method} takes one {what}, which is a struct of its own, and not `{shown}`")
    };
    let most = *marker.arguments.end();
    if let Some(extra) = arguments.get(most) {
        wrong(extra, format!("{method} takes no further argument: write it as `{}`", example()));
    }
    let subject = subject(syntax);
    let what = marker.handles.what();
    match subject {
        None => wrong(name, format!("{method} takes its {what}: write it as `{}`", example())),
        Some((index, argument)) => match bare_type(argument) {
            Some(bare) if !is_struct(bare) => wrong(argument, no_struct(bare)),
            Some(_) if index > 0 => {
                let first = arguments.first().map(shown).unwrap_or_default();
                let written = shown(argument);
                wrong(
                    argument,
                    format!("{method} takes its {what} first: write `{what}: {written}` before `{first}`"),
                );
            }
            Some(bare) => {
                if let Some(form) = other_form(marker.handles, argument, bare) {
                    wrong(argument, format!("{method} {form}"));
                }
            }
            None if is_generic => {}
            None => match argument_type(argument) {
                Type::ImplTrait(_) | Type::TraitObject(_) => wrong(argument, one_type()),
                other => wrong(argument, no_struct(other)),
            },
        },
    }
    if subject.is_some() && arguments.len() < *marker.arguments.start() {
        wrong(name, format!("{method} takes the refusal after its {what}: write it as `{}`", example()));
    }
    let subject = subject.map(|(index, _)| index);
    for (index, argument) in arguments.iter().enumerate().take(most) {
        if Some(index) != subject
            && let Some(form) = other_form_beside(marker, argument)
        {
            wrong(argument, format!("{method} {form}"));
        }
    }
    let is_too_long = |ty: &Type| matches!(ty, Type::Tuple(tuple) if tuple.elems.len() > MOST_PARTS);
    if let Some(tuple) = syntax.output.as_ref().and_then(|output| find_part(output, &is_too_long)) {
        wrong(
            tuple,
            format!(
                "{method} returns a tuple of {MOST_PARTS} parts at most: nest them, as `((a, b), (c, d))`"
            ),
        );
    }
    // With another receiver, the output is most likely the new state.
    if let (Some(why), Some(output)) = (marker.no_output, &syntax.output)
        && marker.receivers.contains(&syntax.receiver.kind)
    {
        wrong(output, format!("{method} {why}"));
    }
    is_valid
}

/// Whether the only method of its kind takes the generated enum. By its name: with others beside it, a struct has that name.
fn is_every_struct(
    syntax: &HandlersSyntax,
    method: &MethodSyntax,
    handled: &Type,
    errors: &mut Errors,
) -> bool {
    let suffix = match method.marker.implements {
        HandlerTrait::Execute => "Command",
        HandlerTrait::Apply => "Event",
        _ => return false,
    };
    let is_generated = || {
        let (Some(name), Some(aggregate)) = (type_name(handled), type_name(&syntax.block.self_ty)) else {
            return false;
        };
        *name == format!("{aggregate}{suffix}")
    };
    let is_alone = syntax.methods.iter().filter(|other| other.marker.name == method.marker.name).count() == 1;
    if !is_alone || !is_generated() {
        return false;
    }
    let shown = shown(handled);
    errors.at(handled, format!("write a method for each struct: `{shown}` is the enum that is made of them"));
    true
}

/// Whether what an `#[execute]` method takes after its command may be its services: no command or event is, nor an envelope.
/// Of another type, rustc finds out.
fn takes_services(
    method: &MethodSyntax,
    all_handled: &impl Deref<Target = BTreeSet<String>>,
    errors: &mut Errors,
) -> bool {
    let (Handles::Owned(_), Some(second)) = (method.marker.handles, method.arguments.get(1)) else {
        return true;
    };
    let is_envelope = type_name(second).is_some_and(|name| name == "Envelope");
    let is_handled = || bare_type(second).is_some_and(|bare| all_handled.contains(&shown(bare)));
    if !is_envelope && !is_handled() {
        return true;
    }
    let (marker, example) =
        (method.marker, method.marker.example(&method.name, handled(method).map(shown).as_deref()));
    errors.at(
        second,
        format!("{} takes one command, and after it services only: write it as `{example}`", marker.method),
    );
    false
}

/// How to take the command or event of type `bare`, if the argument does it otherwise.
fn other_form(handles: Handles, argument: &Type, bare: &Type) -> Option<String> {
    let shown = shown(bare);
    match handles {
        Handles::Owned(what) => {
            (!is(argument, bare)).then(|| format!("takes its {what} by value: write `{shown}`"))
        }
        Handles::Borrowed(what) => (!borrowed(argument).is_some_and(|handled| is(handled, bare)))
            .then(|| format!("borrows its {what}: write `&{shown}`")),
    }
}

/// How to take what a method gets beside its command or event, if the argument does it otherwise.
///
/// Whether a method gets a type of another name, rustc finds out.
fn other_form_beside(marker: &Marker, argument: &Type) -> Option<String> {
    let handles = marker.handles;
    if matches!(handles, Handles::Owned(_)) {
        let services = shown(bare_type(argument)?);
        return borrowed(argument).is_none().then(|| format!("borrows its services: write `&{services}`"));
    }
    if object_name(argument).or_else(|| type_name(argument)).is_some_and(|name| name == "SqlTransaction") {
        return match marker.implements {
            HandlerTrait::Project if is_sql(argument) => None,
            HandlerTrait::Project => Some("takes the writer as `&mut dyn SqlTransaction`".to_owned()),
            _ => Some("has no transaction: that is what a `#[project]` method writes in".to_owned()),
        };
    }
    match (beside_the_event(argument), borrowed(argument).map(ungrouped)) {
        (Some((name, _)), Some(Type::Path(path))) if path.path.segments.last()?.ident == name => None,
        (Some((_, form)), _) => Some(format!("takes {form}")),
        (None, None) if matches!(ungrouped(argument), Type::Reference(_)) => {
            let beside = shown(bare_type(argument)?);
            let what = handles.what();
            Some(format!("borrows what it takes beside its {what}: write `&{beside}`"))
        }
        // By value, it may be an id.
        (None, _) => None,
    }
}

/// How many events a tuple has at most: for so many, the runtime has impls of `IntoEvents`.
const MOST_PARTS: usize = 16;

/// What a method gets beside its event by the name of its type: the name to write, and how it is taken.
fn beside_the_event(ty: &Type) -> Option<(&'static str, &'static str)> {
    let form = match type_name(ty)?.to_string().as_str() {
        "Envelope" | "Recorded" => ("Envelope", "metadata as `&Envelope<'_>`"),
        "str" | "String" => ("str", "the text of the aggregate's id as `&str`"),
        "Transaction" => ("Transaction", "the writer as `&Transaction<'_>`"),
        "ViewTransaction" => ("ViewTransaction", "the writer as `&ViewTransaction<'_>`"),
        "Connection" => ("Connection", "the writer as `&Connection`"),
        "Delivery" => ("Delivery", "the delivery as `&Delivery`"),
        _ => return None,
    };
    Some(form)
}

/// Whether a type is `&mut dyn SqlTransaction`.
fn is_sql(ty: &Type) -> bool {
    let Type::Reference(reference) = ungrouped(ty) else { return false };
    let is_static = reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static");
    reference.mutability.is_some()
        && !is_static
        && matches!(ungrouped(&reference.elem), Type::TraitObject(object) if object.bounds.len() == 1)
}

/// What a type borrows, as a handler does: shared, and for the call.
fn borrowed(ty: &Type) -> Option<&Type> {
    let Type::Reference(reference) = ungrouped(ty) else { return None };
    let is_static = reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static");
    (reference.mutability.is_none() && !is_static).then_some(&*reference.elem)
}

/// Whether a type is the bare one, in nothing but parentheses.
fn is(ty: &Type, bare: &Type) -> bool {
    std::ptr::eq(ungrouped(ty), bare)
}

/// Whether no earlier method of the block handles the type; `names` has those methods, by marker and type.
fn is_handled_once<'s>(
    method: &'s MethodSyntax,
    handled: Option<&Type>,
    names: &mut BTreeMap<(&'static str, String), &'s Ident>,
    errors: &mut Errors,
) -> bool {
    // Of two methods with `cfg`, a build may have only one.
    let Some(ty) = handled.filter(|_| method.cfgs.is_empty()) else { return true };
    match names.entry((method.marker.name, shown(ty))) {
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

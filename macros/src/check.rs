//! The rules: what an item must be like. Each says what is wrong, where, and what to write instead.

use std::collections::HashSet;

use quote::ToTokens;
use syn::{Data, DeriveInput, Ident, LitInt, LitStr, Type};

use crate::errors::Errors;
use crate::model::{Aggregate, Event, Handler, Listed, Marker, Projection, Receiver};
use crate::options::Options;
use crate::text::illegal;

/// A struct without generics; if it is something else, no impl can be made. The `kind` is what it wants to be.
pub(crate) fn plain_struct(input: &DeriveInput, kind: &str, errors: &mut Errors) -> bool {
    let article = if kind.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    match &input.data {
        Data::Struct(_) => no_generics(input, kind, errors),
        Data::Enum(data) => {
            errors.at(&data.enum_token, format!("{article} {kind} is a struct: one struct, one {kind}"));
            false
        }
        Data::Union(data) => {
            errors.at(&data.union_token, format!("{article} {kind} is a struct, not a union"));
            false
        }
    }
}

fn no_generics(input: &DeriveInput, kind: &str, errors: &mut Errors) -> bool {
    if input.generics.params.is_empty() {
        return true;
    }
    let article = if kind.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    errors.at(
        &input.generics,
        format!(
            "{article} {kind} has no generic parameters: it owns its data, and its name stands for one type"
        ),
    );
    false
}

fn name(name: &LitStr, errors: &mut Errors) {
    if let Some(problem) = illegal(&name.value()) {
        errors.at(name, format!("a name that is stored can't be like this: it {problem}"));
    }
}

/// The version of an event or projection.
pub(crate) fn version(version: &LitInt, errors: &mut Errors) -> Option<u32> {
    match version.base10_parse() {
        Ok(0) => {
            errors.at(version, "versions count from 1");
            None
        }
        Ok(version) => Some(version),
        Err(_) => {
            errors.at(version, "a version is a whole number from 1 to 4294967295");
            None
        }
    }
}

/// A key that must be there.
pub(crate) fn required(
    input: &DeriveInput,
    options: &Options,
    key: &str,
    example: &str,
    errors: &mut Errors,
) {
    // Written, but wrong, has been told already.
    if !options.mentions(key) {
        let attribute = options.attribute();
        errors.at(&input.ident, format!("`{}` needs `#[{attribute}({example})]`", input.ident));
    }
}

/// A list with something in it, and nothing twice.
pub(crate) fn listed(
    list: Option<&(Ident, Vec<Listed>)>,
    key: &str,
    example: &str,
    errors: &mut Errors,
) -> bool {
    let Some((key_token, list)) = list else { return false };
    if list.is_empty() {
        errors.at(key_token, format!("`{key}(..)` is empty: list at least one, as `{key}({example})`"));
        return false;
    }
    let (mut types, mut variants) = (HashSet::new(), HashSet::new());
    let mut right = true;
    for listed in list {
        let ty = listed.path.to_token_stream().to_string();
        if !types.insert(ty.clone()) {
            errors.at(&listed.path, format!("`{}` is listed twice", ty.replace(' ', "")));
            right = false;
        } else if !variants.insert(listed.variant.to_string()) {
            errors.at(
                &listed.path,
                format!(
                    "two of these would be the variant `{0}`: give this one another, as `{1} as Other{0}`",
                    listed.variant,
                    ty.replace(' ', "")
                ),
            );
            right = false;
        }
    }
    right
}

/// Whether an event's impl can be made.
pub(crate) fn event(input: &DeriveInput, event: &Event, errors: &mut Errors) -> bool {
    name(&event.name, errors);
    let mut names = HashSet::from([event.name.value()]);
    for alias in &event.aliases {
        name(alias, errors);
        if !names.insert(alias.value()) {
            errors.at(alias, "the event has this name already");
        }
    }
    plain_struct(input, "event", errors)
}

/// Whether an aggregate's impls can be made.
pub(crate) fn aggregate(input: &DeriveInput, aggregate: &Aggregate, errors: &mut Errors) -> bool {
    name(&aggregate.name, errors);
    if let Data::Union(data) = &input.data {
        errors.at(&data.union_token, "the state of an aggregate is a struct or an enum, not a union");
        return false;
    }
    no_generics(input, "aggregate", errors)
}

/// Whether a projection's impl can be made.
pub(crate) fn projection(input: &DeriveInput, projection: &Projection, errors: &mut Errors) -> bool {
    name(&projection.name, errors);
    no_generics(input, "projection", errors)
}

/// Whether a marked method has the signature that its marker asks for.
pub(crate) fn handler(handler: &Handler, errors: &mut Errors) -> bool {
    let Handler { marker, name, arguments, .. } = handler;
    let method = marker.with_article();
    let mut right = true;
    let mut wrong = |tokens: &dyn ToTokens, message: String| {
        errors.at(&tokens.to_token_stream(), message);
        right = false;
    };
    if let Some(asyncness) = &handler.asyncness {
        wrong(asyncness, format!("{method} is not async: it decides on what it has, and waits for nothing"));
    }
    if let Some(generics) = &handler.generics {
        wrong(generics, format!("{method} has no generic parameters: one method, one type"));
    }
    let demand = match (marker, &handler.receiver) {
        (Marker::Execute | Marker::Project, Receiver::Shared(_))
        | (Marker::Apply | Marker::Project, Receiver::Exclusive(_)) => None,
        (Marker::Execute, _) => {
            Some("takes `&self`: it decides; what changes the state is an `#[apply]` method")
        }
        (Marker::Apply, _) => Some("takes `&mut self`: it changes the state as the event says"),
        (Marker::Project, _) => Some("takes `&mut self` or `&self`"),
    };
    if let Some(demand) = demand {
        wrong(handler.receiver.tokens(), format!("{method} {demand}"));
    }
    let (fewest, most) = marker.arguments();
    if arguments.len() < fewest {
        wrong(name, format!("write it as `{}`", marker.example(name)));
    } else if let Some(extra) = arguments.get(most) {
        wrong(extra, format!("write it as `{}`", marker.example(name)));
    }
    match arguments.first() {
        Some(command @ Type::Reference(_)) if *marker == Marker::Execute => {
            wrong(command, format!("{method} takes its command by value: leave out the `&`"));
        }
        Some(event) if *marker != Marker::Execute && !matches!(event, Type::Reference(_)) => {
            wrong(event, format!("{method} borrows its event: write `&{}`", event.to_token_stream()));
        }
        _ => {}
    }
    if let (Marker::Apply, Some(output)) = (marker, &handler.output) {
        wrong(
            output,
            format!("{method} returns nothing: the event has happened, and can't be refused any more"),
        );
    }
    right
}

/// No two methods of a block handle one thing.
pub(crate) fn handled_once(handler: &Handler, earlier: &[Handler], errors: &mut Errors) -> bool {
    let same = |other: &&Handler| {
        let text = |handler: &Handler| handler.handles().map(|ty| ty.to_token_stream().to_string());
        // One of two with `cfg` on them may not be there.
        other.marker == handler.marker && text(other) == text(handler) && other.cfgs.is_empty()
    };
    match (handler.handles(), earlier.iter().find(same)) {
        (Some(ty), Some(other)) if handler.cfgs.is_empty() => {
            errors.at(ty, format!("`{}` handles `{}` already", other.name, ty.to_token_stream()));
            false
        }
        _ => true,
    }
}

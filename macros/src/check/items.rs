//! What events, commands, aggregates and projections must be like.

use std::collections::HashSet;

use proc_macro2::TokenTree;
use quote::{ToTokens, format_ident};
use syn::{Data, DeriveInput, Ident, LitInt, LitStr};

use crate::errors::Errors;
use crate::model::{Aggregate, Event, Listed, Makes, Projection};
use crate::options::Options;
use crate::text::illegal;

/// A struct without generics; if it is something else, no impl can be made. The `kind` is what it wants to be.
pub(crate) fn plain_struct(input: &DeriveInput, kind: &str, errors: &mut Errors) -> bool {
    let article = article(kind);
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

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" }
}

/// A type without generics.
pub(crate) fn no_generics(input: &DeriveInput, kind: &str, errors: &mut Errors) -> bool {
    if input.generics.params.is_empty() {
        return true;
    }
    let article = article(kind);
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

/// A snapshot is due at some time, and not always.
pub(crate) fn snapshot(key: &Ident, options: &Options, every: Option<&LitInt>, errors: &mut Errors) {
    if !["every", "older_than", "when"].iter().any(|key| options.mentions(key)) {
        errors.at(
            key,
            "say when a snapshot is due: `snapshot(every = 100)`, with the number of events between two",
        );
    }
    let Some(every) = every else { return };
    match every.base10_parse::<u64>() {
        Ok(0) => errors
            .at(every, "a snapshot is due after 1 event at the earliest; for none, take out `snapshot(..)`"),
        Ok(_) => {}
        Err(_) => errors.at(every, "`every` is a number of events: a whole number from 1 on"),
    }
}

/// A state that is kept comes back with all of its fields.
pub(crate) fn keeps_all(input: &DeriveInput, errors: &mut Errors) {
    let fields: Vec<&syn::Field> = match &input.data {
        Data::Struct(data) => data.fields.iter().collect(),
        Data::Enum(data) => data.variants.iter().flat_map(|variant| &variant.fields).collect(),
        Data::Union(_) => Vec::new(),
    };
    let attributes = fields.into_iter().flat_map(|field| &field.attrs);
    for attribute in attributes.filter(|attribute| attribute.path().is_ident("serde")) {
        let syn::Meta::List(list) = &attribute.meta else { continue };
        for token in list.tokens.clone() {
            let skips = ["skip", "skip_serializing", "skip_deserializing"];
            if let TokenTree::Ident(word) = token
                && skips.iter().any(|skip| word == skip)
            {
                errors.at(
                    &word,
                    "a field that serde skips would not come back from a snapshot: keep it, or take out `snapshot(..)`",
                );
            }
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

/// A list with something in it, and nothing twice: what is right in it.
pub(crate) fn listed(
    list: Option<(Ident, Vec<Listed>)>,
    key: &str,
    example: &str,
    errors: &mut Errors,
) -> Vec<Listed> {
    let Some((key_token, list)) = list else { return Vec::new() };
    if list.is_empty() {
        errors.at(&key_token, format!("`{key}(..)` is empty: list at least one, as `{key}({example})`"));
    }
    let (mut types, mut variants) = (HashSet::new(), HashSet::new());
    let mut right = Vec::new();
    for listed in list {
        let ty = listed.path.to_token_stream().to_string();
        if !types.insert(ty.clone()) {
            errors.at(&listed.path, format!("`{}` is listed twice", ty.replace(' ', "")));
        } else if variants.insert(listed.variant.to_string()) {
            right.push(listed);
        } else {
            let Listed { path, variant } = listed;
            let other = format_ident!("Other{variant}", span = variant.span());
            let shown = ty.replace(' ', "");
            errors.at(
                &path,
                format!("two of these would be the variant `{variant}`: give this one another, as `{shown} as {other}`"),
            );
            // As it will be called, most likely.
            right.push(Listed { path, variant: other });
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
    plain_struct(input, "event", errors) && super::history(input, event, errors)
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

/// Whether a projection's impl can be made, or a reaction's.
pub(crate) fn projection(input: &DeriveInput, projection: &Projection, errors: &mut Errors) -> bool {
    name(&projection.name, errors);
    let kind = match projection.makes {
        Makes::View { .. } => "projection",
        Makes::SideEffects => "reaction",
    };
    no_generics(input, kind, errors)
}

/// Whether several workers can share the work: what a part is made of, there is one answer to.
pub(crate) fn partition_by(by: Option<Ident>, errors: &mut Errors) -> bool {
    let Some(by) = by else { return false };
    if by != "stream" {
        errors.at(
            &by,
            "events are kept in order by stream, and by nothing else: write `partition_by = stream`",
        );
    }
    true
}

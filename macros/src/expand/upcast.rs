//! Reads an old version in one step: the struct as it was then, and the conversion of each field to the present one.

use proc_macro2::{Group, Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Ident, Member};

use crate::rules::{ChangeKind, Conversion, Event, Field, FieldAt, StoredField, Version, old_type};
use crate::syntax::has_word;

/// `2 => { struct V2 { .. } .. }`: how payloads of `version` become the present struct.
pub(super) fn arm(event: &Event<'_>, number: u32, version: &Version<'_>) -> TokenStream {
    let krate = &event.syntax.krate;
    let literal = Literal::u32_unsuffixed(number);
    let values = event.history.fields.iter().zip(&version.fields).map(|(field, then)| {
        let (cfgs, member) = (&field.syntax.cfgs, &field.syntax.member);
        let value = value(event, field, then);
        quote!(#(#cfgs)* #member: #value)
    });
    let made = quote!(::core::result::Result::Ok(Self { #(#values),* }));
    if version.fields.iter().all(|field| field.stored.is_none()) {
        // No field of that version is left. The payload may be `{}` or `null`: any JSON will do.
        return quote! {
            #literal => {
                #krate::macro_support::decode_older::<Self, #krate::macro_support::serde::de::IgnoredAny>(__version, __payload)?;
                #made
            }
        };
    }
    let (ident, definition) = old_struct(event, number, version);
    quote! {
        #literal => {
            #definition
            let __old = #krate::macro_support::decode_older::<Self, #ident>(__version, __payload)?;
            #made
        }
    }
}

/// The struct as it was, with its `serde` options.
fn old_struct(event: &Event<'_>, number: u32, version: &Version<'_>) -> (Ident, TokenStream) {
    let krate = &event.syntax.krate;
    let ident = format_ident!("__V{number}");
    let serde_crate = quote!(#krate::macro_support::serde).to_string().replace(' ', "");
    let container =
        event.syntax.serde.iter().filter(|option| option.name != "crate" && option.name != "rename");
    let container = container.map(|option| &option.tokens);
    let stored: Vec<_> = version.fields.iter().filter_map(|field| field.stored.as_ref()).collect();
    let types = stored.iter().map(|field| outside_impl(&field.ty, &event.syntax.input.ident));
    let attributes = stored.iter().map(|field| attributes(field));
    let is_tuple = stored.iter().any(|field| matches!(field.member, Member::Unnamed(_)));
    let body = if is_tuple {
        quote!((#(#attributes #types),*);)
    } else {
        let members = stored.iter().map(|field| &field.member);
        let gone = gone(event, number);
        quote!({ #(#attributes #members: #types,)* #gone })
    };
    let definition = quote! {
        #[derive(#krate::macro_support::serde::Deserialize)]
        #[serde(crate = #serde_crate #(, #container)*)]
        struct #ident #body
    };
    (ident, definition)
}

/// The attributes of a field in an old struct.
fn attributes(field: &StoredField<'_>) -> TokenStream {
    let cfgs = &field.syntax.cfgs;
    let rename = field.rename.iter().map(|name| quote!(rename = #name));
    let options = field.serde.iter().map(|option| option.tokens.clone()).chain(rename);
    quote!(#(#cfgs)* #[serde(#(#options),*)])
}

/// The removed fields, where serde must know them. It skips unknown fields, unless they are denied or go into a flattened
/// field.
fn gone(event: &Event<'_>, version: u32) -> Option<TokenStream> {
    let krate = &event.syntax.krate;
    let denied = event.syntax.serde.iter().any(|option| option.name == "deny_unknown_fields");
    let flattened = event.history.fields.iter().any(|field| field.syntax.serde_option("flatten").is_some());
    if !denied && !flattened {
        return None;
    }
    let gone = event.history.removed_at(version).enumerate();
    Some(
        gone.map(|(index, removed)| {
            let (member, name) = (unused(format!("_gone{index}"), event), &removed.stored);
            quote! {
                #[serde(rename = #name, default)]
                #member: #krate::macro_support::serde::de::IgnoredAny,
            }
        })
        .collect(),
    )
}

/// A name that no field of the event has.
fn unused(mut name: String, event: &Event<'_>) -> Ident {
    while event.history.fields.iter().any(|field| field.syntax.shown() == name) {
        name.push('_');
    }
    Ident::new(&name, Span::mixed_site())
}

/// Types for code outside of the event's impl, where `Self` is not `event`.
pub(super) fn outside_impl(types: &impl ToTokens, event: &Ident) -> TokenStream {
    let tokens = types.to_token_stream();
    if has_word(tokens.clone(), "Self") { named(tokens, event) } else { tokens }
}

fn named(tokens: TokenStream, event: &Ident) -> TokenStream {
    let trees = tokens.into_iter().map(|tree| match tree {
        TokenTree::Group(group) => {
            let mut renamed = Group::new(group.delimiter(), named(group.stream(), event));
            renamed.set_span(group.span());
            renamed.into()
        }
        TokenTree::Ident(word) if word == "Self" => {
            let mut event = event.clone();
            event.set_span(word.span());
            event.into()
        }
        tree => tree,
    });
    trees.collect()
}

/// The present value of a field, converted from the old one, or its default.
fn value(event: &Event<'_>, field: &Field<'_>, then: &FieldAt<'_>) -> TokenStream {
    let krate = &event.syntax.krate;
    let mut value = match &then.stored {
        Some(stored) => {
            let member = &stored.member;
            quote!(__old.#member)
        }
        None => TokenStream::new(),
    };
    for (index, change) in then.later.iter().enumerate() {
        // This change ends with the type that the next one begins with.
        let later = then.later.get(index + 1..).unwrap_or_default();
        let new = old_type(later).unwrap_or(&field.syntax.ty);
        match change.kind {
            ChangeKind::Added { default } => value = quote!(#default),
            ChangeKind::Renamed { .. } => {}
            ChangeKind::Changed { from, with } => {
                let (Conversion::Infallible(function) | Conversion::Fallible(function)) = with;
                // rustc reports at the function that it does not fit.
                let span = function.span().resolved_at(Span::mixed_site());
                value = match with {
                    Conversion::Infallible(with) => quote_spanned! {span=>
                        (#krate::macro_support::convert_field::<#from, #new>)(#with, #value)
                    },
                    Conversion::Fallible(with) => {
                        let shown = field.syntax.shown();
                        quote_spanned! {span=>
                            (#krate::macro_support::try_convert_field::<Self, #from, #new, _>)(__version, #shown, #with, #value)?
                        }
                    }
                };
            }
        }
    }
    value
}

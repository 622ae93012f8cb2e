//! Reading an old version in one step: the struct as it was then, and the way from each of its fields to the present one.

use proc_macro2::{Literal, TokenStream};
use quote::format_ident;
use syn::{Ident, Member};

use crate::model::serde::serde_options;
use crate::model::{ChangeKind, Conversion, Event, Field, Past, old_type};

/// `2 => { struct V2 { .. } .. }`: how payloads of `version` become the present struct.
pub(super) fn arm(event: &Event, version: u32) -> TokenStream {
    let Event { krate, history, .. } = event;
    let number = Literal::u32_unsuffixed(version);
    let then = Past::all(&history.fields, version);
    let values = history.fields.iter().zip(&then).map(|(field, then)| {
        let (cfgs, member) = (field.cfgs(), &field.member);
        let value = value(event, field, then);
        quote!(#(#cfgs)* #member: #value)
    });
    let made = quote!(::core::result::Result::Ok(Self { #(#values),* }));
    if then.iter().all(|then| then.present.is_none()) {
        // Whatever stood there says nothing to this struct; whether it was `{}` or `null` can't be told any more.
        return quote! {
            #number => {
                #krate::private::decode::<Self, #krate::private::serde::de::IgnoredAny>(version, payload)?;
                #made
            }
        };
    }
    let (ident, definition) = old_struct(event, version, &then);
    quote! {
        #number => {
            #definition
            let old = #krate::private::decode::<Self, #ident>(version, payload)?;
            #made
        }
    }
}

/// The struct as it was, with what serde was told of it.
fn old_struct(event: &Event, version: u32, then: &[Past<'_>]) -> (Ident, TokenStream) {
    let krate = &event.krate;
    let ident = format_ident!("__V{version}");
    let serde_crate = quote!(#krate::private::serde).to_string().replace(' ', "");
    let container = event.serde.iter().filter(|option| option.name != "crate" && option.name != "rename");
    let container = container.map(|option| &option.tokens);
    let present: Vec<_> = then.iter().filter_map(|then| then.present.as_ref()).collect();
    let types = present.iter().map(|field| field.ty);
    let attributes = present.iter().map(|field| field.attributes());
    let is_tuple = present.iter().any(|field| matches!(field.member, Member::Unnamed(_)));
    let body = if is_tuple {
        quote!((#(#(#attributes)* #types),*);)
    } else {
        let members = present.iter().map(|field| &field.member);
        let gone = gone(event, version);
        quote!({ #(#(#attributes)* #members: #types,)* #gone })
    };
    let definition = quote! {
        #[derive(#krate::private::serde::Deserialize)]
        #[serde(crate = #serde_crate #(, #container)*)]
        struct #ident #body
    };
    (ident, definition)
}

/// Fields that are no more. serde passes over what a struct does not have, unless it was told not to, or to put it into a
/// flattened field.
fn gone(event: &Event, version: u32) -> Option<TokenStream> {
    let krate = &event.krate;
    let denied = event.serde.iter().any(|option| option.name == "deny_unknown_fields");
    let flattened = event
        .history
        .fields
        .iter()
        .any(|field| serde_options(&field.attributes).iter().any(|option| option.name == "flatten"));
    if !denied && !flattened {
        return None;
    }
    let gone = event.history.removed_at(version).enumerate();
    Some(
        gone.map(|(index, removed)| {
            let (member, name) = (format_ident!("_gone{index}"), &removed.name);
            quote! {
                #[serde(rename = #name, default)]
                #member: #krate::private::serde::de::IgnoredAny,
            }
        })
        .collect(),
    )
}

/// What the field is now, made of what it was, or of its default.
fn value(event: &Event, field: &Field, then: &Past<'_>) -> TokenStream {
    let krate = &event.krate;
    let mut value = match &then.present {
        Some(present) => {
            let member = &present.member;
            quote!(old.#member)
        }
        None => TokenStream::new(),
    };
    for (index, change) in then.since.iter().enumerate() {
        // What the next change begins with is what this one ends with.
        let later = then.since.get(index + 1..).unwrap_or_default();
        let new = old_type(later).unwrap_or(&field.ty);
        match &change.kind {
            ChangeKind::Added { default } => value = quote!(#default),
            ChangeKind::Renamed { .. } => {}
            ChangeKind::Changed { from, with: Conversion::Sure(with) } => {
                value = quote!(#krate::private::convert::<#from, #new>(#with, #value));
            }
            ChangeKind::Changed { from, with: Conversion::Fallible(with) } => {
                let shown = field.shown();
                value = quote! {
                    #krate::private::try_convert::<Self, #from, #new, _>(version, #shown, #with, #value)?
                };
            }
        }
    }
    value
}

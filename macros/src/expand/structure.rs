//! The structure of JSON, as constants: of a type inside events, and of an event besides its names and types.

use std::collections::BTreeMap;

use proc_macro2::{Literal, TokenStream};
use syn::{Path, Type};

use super::lock::parts_with_fingerprints;
use crate::rules::{Event, Form, OPTIONAL, Structure, StructureFields, Tagging, form, has};
use crate::syntax::type_text;

/// `fn shape` of a type inside events. A function, as two types may contain one another.
pub(super) fn shape(krate: &Path, structure: &Structure<'_>) -> TokenStream {
    let of = quote!(#krate::macro_support);
    let (kind, all): (_, Vec<_>) = match structure {
        // The trait's own answer.
        Structure::Opaque => return TokenStream::new(),
        Structure::Struct(fields) => {
            let (form, listed) = (form_of(krate, fields.form), listed(fields));
            (quote!(Struct(#form, #listed)), fields.fields.iter().collect())
        }
        Structure::Enum { tagging, variants } => {
            let tagging = match tagging {
                Tagging::External => quote!(External),
                Tagging::Internal(tag) => quote!(Internal(#tag)),
                Tagging::Adjacent(tag, content) => quote!(Adjacent(#tag, #content)),
                Tagging::Untagged => quote!(Untagged),
            };
            let rows = variants.iter().map(|(name, fields)| {
                let (form, listed) = (form_of(krate, fields.form), listed(fields));
                quote!((#name, #form, #listed))
            });
            let kind = quote!(Enum(#of::Tagging::#tagging, &[#(#rows),*]));
            (kind, variants.iter().flat_map(|(_, fields)| &fields.fields).collect())
        }
    };
    let parts = parts(krate, all.into_iter().map(|field| field.ty));
    quote! {
        fn shape() -> #of::TypeShape {
            #[allow(unused_imports)]
            use #of::NoFingerprint as _;
            #of::TypeShape::of::<Self>(#of::TypeKind::#kind, &[#parts])
        }
    }
}

/// What a shape of an event does not say by its names and types, if anything.
pub(super) fn of_event(event: &Event<'_>) -> TokenStream {
    let krate = &event.syntax.krate;
    let syn::Data::Struct(data) = &event.syntax.input.data else { return TokenStream::new() };
    let form = form(&data.fields, &event.syntax.serde);
    let form = (form != Form::Named).then(|| {
        let form = form_of(krate, form);
        quote!(const FORM: #krate::macro_support::Form = #form;)
    });
    let of_all = if has(&event.syntax.serde, &["default"]) { OPTIONAL } else { 0 };
    let notes =
        event.versions.iter().flat_map(|(version, at)| at.shape.iter().map(move |field| (version, field)));
    let notes: Vec<_> = notes
        .filter(|(_, field)| field.flags | of_all != 0)
        .map(|(version, field)| {
            let (version, flags) =
                (Literal::u32_unsuffixed(*version), Literal::u8_unsuffixed(field.flags | of_all));
            let name = &field.name;
            quote!((#version, #name, #flags))
        })
        .collect();
    let notes =
        (!notes.is_empty()).then(|| quote!(const NOTES: #krate::macro_support::FieldNotes = &[#(#notes),*];));
    quote!(#form #notes)
}

fn form_of(krate: &Path, form: Form) -> TokenStream {
    let form = match form {
        Form::Named => quote!(Named),
        Form::Tuple => quote!(Tuple),
        Form::Unit => quote!(Unit),
        Form::Opaque => quote!(Opaque),
    };
    quote!(#krate::macro_support::Form::#form)
}

fn listed(fields: &StructureFields<'_>) -> TokenStream {
    let fields = fields.fields.iter().map(|field| {
        let (name, text, flags) = (&field.name, &field.text, Literal::u8_unsuffixed(field.flags));
        quote!((#name, #text, #flags))
    });
    quote!(&[#(#fields),*])
}

/// The types in the fields that are not Rust's own, by their text, with their shapes.
fn parts<'t>(krate: &Path, types: impl Iterator<Item = &'t Type>) -> TokenStream {
    let parts: Vec<_> = types.flat_map(parts_with_fingerprints).collect();
    let texts = texts(&parts);
    let parts: BTreeMap<_, _> = texts.iter().zip(parts).filter(|(text, _)| !text.is_empty()).collect();
    let parts = parts
        .iter()
        .map(|(text, part)| quote!((#text, <#krate::macro_support::HasFingerprint<#part>>::SHAPE)));
    quote!(#(#parts),*)
}

/// `fn parts` of an event: for each of its types, the types that it is written with, by their text.
pub(super) fn parts_of_each(krate: &Path, types: &[(String, &Type)]) -> TokenStream {
    let numbered = types.iter().zip(1_usize..);
    let (numbers, parts): (Vec<_>, Vec<_>) = numbered
        .flat_map(|((_, ty), number)| parts_with_fingerprints(ty).into_iter().map(move |part| (number, part)))
        .unzip();
    let (numbers, texts) = (numbers.into_iter().map(Literal::usize_unsuffixed), texts(&parts));
    let of = quote!(#krate::macro_support);
    quote! {
        fn parts(__parts: &mut #of::EventParts) {
            #[allow(unused_imports)]
            use #of::NoFingerprint as _;
            #(__parts.add(#numbers, #texts, <#of::HasFingerprint<#parts>>::factum_part());)*
        }
    }
}

/// The texts of types. Two types of one text have none: a text does not tell them apart.
fn texts(parts: &[&Type]) -> Vec<String> {
    let known: Vec<_> = parts.iter().map(|part| (type_text(part), quote!(#part).to_string())).collect();
    let is_ambiguous = |(text, tokens): &(String, String)| {
        known.iter().any(|(other, other_tokens)| other == text && other_tokens != tokens)
    };
    known.iter().map(|part| if is_ambiguous(part) { String::new() } else { part.0.clone() }).collect()
}

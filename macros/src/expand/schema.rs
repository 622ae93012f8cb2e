//! `impl EventSchema`: a fingerprint of a type's shape.

use std::fmt::Write as _;

use proc_macro2::{Literal, TokenStream};
use syn::{Data, DeriveInput, Fields, Path};

use super::beside;
use super::lock::fingerprint_of;
use crate::rules::Schema;
use crate::syntax::type_text;

pub(crate) fn event_schema(schema: &Schema<'_>) -> TokenStream {
    let (krate, input) = (&schema.syntax.krate, schema.syntax.input);
    let ident = &input.ident;
    let fingerprint = fingerprint(krate, input);
    let made = quote! {
        #[automatically_derived]
        impl #krate::EventSchema for #ident {
            const FINGERPRINT: u64 = #fingerprint;
        }
    };
    beside(input, made)
}

fn fingerprint(krate: &Path, input: &DeriveInput) -> TokenStream {
    let text = text(input);
    let parts = types(&input.data).into_iter().map(|ty| fingerprint_of(krate, ty));
    quote! {{
        #[allow(unused_imports)]
        use #krate::macro_support::NoFingerprint as _;
        #krate::macro_support::fingerprint(#text, &[#(#parts),*])
    }}
}

/// The fingerprint of a state: of its shape, the version that the user gives, its name, and the paths of its fields' types.
/// Too much rather than too little: a change for nothing costs one more replay of a stream.
pub(super) fn fingerprint_of_state(krate: &Path, input: &DeriveInput, version: u32) -> TokenStream {
    let shape = fingerprint(krate, input);
    let version = Literal::u64_unsuffixed(version.into());
    let (ident, types) = (&input.ident, types(&input.data));
    let text = quote!(#ident #(#types),*).to_string();
    quote!(#krate::macro_support::fingerprint(#text, &[#version, #shape]))
}

/// Everything that serde sees of the type, without its name.
pub(super) fn text(input: &DeriveInput) -> String {
    let mut text = String::new();
    attributes(&input.attrs, &mut text);
    match &input.data {
        Data::Struct(data) => fields(&data.fields, &mut text),
        Data::Enum(data) => {
            for variant in &data.variants {
                attributes(&variant.attrs, &mut text);
                let _ = write!(text, "|{}", variant.ident);
                fields(&variant.fields, &mut text);
            }
        }
        Data::Union(_) => {}
    }
    text
}

fn attributes(attributes: &[syn::Attribute], text: &mut String) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        *text += &quote!(#attribute).to_string().replace(' ', "");
    }
}

fn fields(fields: &Fields, text: &mut String) {
    for (member, field) in fields.members().zip(fields) {
        attributes(&field.attrs, text);
        let _ = write!(text, ",{}:{}", quote!(#member), type_text(&field.ty));
    }
}

pub(super) fn types(data: &Data) -> Vec<&syn::Type> {
    match data {
        Data::Struct(data) => data.fields.iter().map(|field| &field.ty).collect(),
        Data::Enum(data) => {
            data.variants.iter().flat_map(|variant| &variant.fields).map(|field| &field.ty).collect()
        }
        Data::Union(_) => Vec::new(),
    }
}

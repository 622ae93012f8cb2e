//! `impl EventSchema`: a fingerprint of a type's shape.

use std::fmt::Write as _;

use proc_macro2::{Literal, TokenStream};
use syn::{Data, DeriveInput, Field, Fields, Ident, Path, Type};

use super::lock::{fingerprint_of_parts, parts_with_fingerprints};
use super::{beside, structure};
use crate::rules::Schema;
use crate::syntax::{all_fields, type_parts, type_text};

pub(crate) fn event_schema(schema: &Schema<'_>) -> TokenStream {
    let (krate, input) = (&schema.syntax.krate, schema.syntax.input);
    let ident = &input.ident;
    let fingerprint = fingerprint(krate, input);
    let shape = structure::shape(krate, &schema.structure);
    let made = quote! {
        #[automatically_derived]
        impl #krate::EventSchema for #ident {
            const FINGERPRINT: u64 = #fingerprint;
            #shape
        }
    };
    beside(input, made)
}

fn fingerprint(krate: &Path, input: &DeriveInput) -> TokenStream {
    let text = text(input);
    let parts = all_fields(&input.data).into_iter().map(|field| {
        let mut parts = parts_with_fingerprints(&field.ty);
        // A constant can't depend on itself. What is in the type counts already.
        parts.retain(|part| !leads_back(field, part, &input.ident));
        fingerprint_of_parts(krate, &parts)
    });
    quote! {{
        #[allow(unused_imports)]
        use #krate::macro_support::NoFingerprint as _;
        #krate::macro_support::fingerprint(#text, &[#(#parts),*])
    }}
}

/// Whether a type in a field contains the type that has the field.
fn leads_back(field: &Field, part: &Type, ident: &Ident) -> bool {
    let is_it = |part: &&Type| matches!(part, Type::Path(path) if path.path.is_ident(ident) || path.path.is_ident("Self"));
    field.attrs.iter().any(|attribute| attribute.path().is_ident("event_schema"))
        || type_parts(part).iter().any(is_it)
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

fn types(data: &Data) -> Vec<&Type> {
    all_fields(data).into_iter().map(|field| &field.ty).collect()
}

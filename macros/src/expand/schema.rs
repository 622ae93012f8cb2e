//! `impl EventSchema`: a fingerprint of a type's shape.

use std::fmt::Write as _;

use proc_macro2::{Literal, TokenStream};
use syn::{Data, DeriveInput, Fields, Path};

use super::lock::fingerprint_of;
use crate::model::{Schema, type_text};

pub(crate) fn event_schema(schema: &Schema) -> TokenStream {
    let Schema { krate, input } = schema;
    let ident = &input.ident;
    let fingerprint = fingerprint(krate, input, None);
    quote! {
        #[automatically_derived]
        impl #krate::EventSchema for #ident {
            const FINGERPRINT: u64 = #fingerprint;
        }
    }
}

/// The fingerprint of the type's shape, in the given version of what the shape means, as an expression.
pub(super) fn fingerprint(krate: &Path, input: &DeriveInput, version: Option<u32>) -> TokenStream {
    let text = text(input);
    let parts = types(&input.data).into_iter().map(|ty| fingerprint_of(krate, ty));
    let version = version.map(|version| {
        let version = Literal::u64_unsuffixed(version.into());
        quote!(#version,)
    });
    quote! {{
        #[allow(unused_imports)]
        use #krate::private::NoSchema as _;
        #krate::private::fingerprint(#text, &[#version #(#parts),*])
    }}
}

/// Everything that serde sees of the type but its name.
fn text(input: &DeriveInput) -> String {
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

fn types(data: &Data) -> Vec<&syn::Type> {
    match data {
        Data::Struct(data) => data.fields.iter().map(|field| &field.ty).collect(),
        Data::Enum(data) => {
            data.variants.iter().flat_map(|variant| &variant.fields).map(|field| &field.ty).collect()
        }
        Data::Union(_) => Vec::new(),
    }
}

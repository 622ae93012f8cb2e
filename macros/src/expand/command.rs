//! `impl Command` for a struct.

use proc_macro2::TokenStream;

use super::lock::parts_with_fingerprints;
use super::{beside, operand, schema};
use crate::rules::{Command, IdSource};

pub(crate) fn command(command: &Command<'_>) -> TokenStream {
    let (krate, ident) = (&command.syntax.krate, &command.syntax.input.ident);
    let name = ident.to_string();
    let name = name.trim_start_matches("r#");
    let fields = schema::text(command.syntax.input);
    let parts = schema::types(&command.syntax.input.data).into_iter().flat_map(parts_with_fingerprints);
    let (ty, value) = match command.id {
        IdSource::Field { member, ty } => (operand(ty), quote!(&self.#member)),
        IdSource::Singleton => (quote!(()), quote!(&())),
    };
    let made = quote! {
        #[automatically_derived]
        impl #krate::Command for #ident {
            type Id = #ty;

            fn aggregate_id(&self) -> &#ty {
                #value
            }

            #krate::macro_support::command_mark!(#name #fields: #(#parts)*);
        }
    };
    beside(command.syntax.input, made)
}

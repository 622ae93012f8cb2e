//! `impl Command` for a struct.

use proc_macro2::{Literal, TokenStream};

use super::lock::parts_with_fingerprints;
use super::{beside, operand, schema};
use crate::lock::{FNV_OFFSET, hashed};
use crate::rules::{Command, IdSource};

pub(crate) fn command(command: &Command<'_>) -> TokenStream {
    let (krate, ident) = (&command.syntax.krate, &command.syntax.input.ident);
    let name = ident.to_string();
    let name = name.trim_start_matches("r#");
    // rustc would interpret a hash of the text, at a cost above that of all other code of the command.
    let fields = Literal::u64_unsuffixed(hashed(FNV_OFFSET, &schema::text(command.syntax.input)));
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

            #krate::macro_support::command_traits!(#name #fields: #(#parts)*);
        }
    };
    beside(command.syntax.input, made)
}

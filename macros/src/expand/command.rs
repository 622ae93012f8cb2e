//! `impl Command` for a struct.

use proc_macro2::TokenStream;

use crate::rules::{Command, IdSource};

pub(crate) fn command(command: &Command<'_>) -> TokenStream {
    let (krate, ident) = (&command.syntax.krate, &command.syntax.input.ident);
    let (ty, value) = match command.id {
        IdSource::Field { member, ty } => (quote!(#ty), quote!(&self.#member)),
        IdSource::Singleton => (quote!(()), quote!(&())),
    };
    quote! {
        #[automatically_derived]
        impl #krate::Command for #ident {
            type Id = #ty;

            fn aggregate_id(&self) -> &#ty {
                #value
            }
        }
    }
}

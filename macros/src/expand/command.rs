//! `impl Command` for a struct.

use proc_macro2::TokenStream;

use crate::model::{Command, Which};

pub(crate) fn command(command: &Command) -> TokenStream {
    let Command { krate, ident, which } = command;
    let (ty, value) = match which {
        Which::Field { member, ty } => (quote!(#ty), quote!(&self.#member)),
        Which::Only => (quote!(()), quote!(&())),
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

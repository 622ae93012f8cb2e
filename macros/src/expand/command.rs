//! `impl Command` for a struct.

use proc_macro2::TokenStream;

use super::schema::fingerprint;
use crate::rules::{Command, IdSource};

pub(crate) fn command(command: &Command<'_>) -> TokenStream {
    let (krate, ident) = (&command.syntax.krate, &command.syntax.input.ident);
    let name = ident.to_string();
    let name = name.trim_start_matches("r#");
    let shape = fingerprint(krate, command.syntax.input);
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

            fn mark(&self) -> #krate::macro_support::CommandMark {
                use #krate::macro_support::{ContentOfDebug as _, ContentOfSerde as _};
                const SHAPE: u64 = #shape;
                #krate::macro_support::command_mark(
                    self,
                    #name,
                    SHAPE,
                    (&#krate::macro_support::ContentProbe(self)).content(),
                )
            }
        }
    }
}

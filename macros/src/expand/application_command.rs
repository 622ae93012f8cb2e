//! The enum of all commands of an application.

use proc_macro2::TokenStream;

use super::application::{known, of_aggregate};
use super::enums;
use crate::rules::Application;
use crate::syntax::{ApplicationSyntax, allowed_lints};

/// `enum ShopCommand { Order(OrderCommand), .. }`, beside the application.
pub(super) fn definition(model: &Application<'_>) -> TokenStream {
    let Application { syntax, aggregates, .. } = model;
    let ApplicationSyntax { input, krate, command_enum, .. } = syntax;
    let variants = aggregates.iter().map(|aggregate| {
        let (path, variant) = (aggregate.path, &aggregate.variant);
        let doc = format!("A command of [`{}`].", enums::shown(path));
        let command = of_aggregate(krate, path, "Command");
        quote!(#[doc = #doc] #variant(#command),)
    });
    let doc = format!("A command of any aggregate of [`{}`].", input.ident);
    let allowed = allowed_lints(&input.attrs);
    enums::definition(&input.vis, command_enum, &doc, &variants.collect(), &allowed)
}

/// What the enum can do.
pub(super) fn impls(model: &Application<'_>) -> TokenStream {
    let Application { syntax, aggregates, .. } = model;
    let ApplicationSyntax { input, krate, command_enum, takes_names, .. } = syntax;
    let paths: Vec<_> = aggregates.iter().map(|aggregate| aggregate.path).collect();
    let variants: Vec<_> = aggregates.iter().map(|aggregate| &aggregate.variant).collect();
    let application = quote!(#krate::application);
    let is_shown = enums::debug(command_enum) == "shown";
    let (ident, command_enum) = (&input.ident, &command_enum.ident);
    let known = known(model);
    let each_known = quote!(where #(#known,)*);
    // If one is not, only tasks miss it.
    let in_tasks = paths.iter().map(|path| quote!(for<'__a> #path: #application::InTasks));
    let debug = is_shown.then(|| {
        let names = variants.iter().map(|variant| variant.to_string().trim_start_matches("r#").to_owned());
        quote! {
            #[automatically_derived]
            impl ::core::fmt::Debug for #command_enum #each_known {
                fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    match self {
                        #(Self::#variants(__command) => {
                            __f.debug_tuple(#names).field(__command).finish()
                        })*
                    }
                }
            }
        }
    });
    let serde = takes_names.then(|| {
        let serde = quote!(#krate::macro_support::serde);
        quote! {
            #[automatically_derived]
            impl #serde::Serialize for #command_enum
            where
                #(#known,)*
                for<'__a> #application::WritesAll<'__a, { #application::writes_all::<#command_enum>() }>:
                    #application::AllWritten,
            {
                fn serialize<__S: #serde::Serializer>(
                    &self,
                    __serializer: __S,
                ) -> ::core::result::Result<__S::Ok, __S::Error> {
                    #application::serialize_command(self, __serializer)
                }
            }

            #[automatically_derived]
            impl<'__de> #serde::Deserialize<'__de> for #command_enum #each_known {
                fn deserialize<__D: #serde::Deserializer<'__de>>(
                    __deserializer: __D,
                ) -> ::core::result::Result<Self, __D::Error> {
                    #application::deserialize_command(__deserializer)
                }
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl #application::ApplicationCommand for #command_enum #each_known {
            type Application = #ident;

            const AGGREGATES: &'static [#application::CommandsOf<Self>] = &[#(#application::CommandsOf::of::<#paths>()),*];

            fn lent(&self) -> (&'static str, &dyn #application::LentCommand) {
                match self {
                    #(Self::#variants(__command) => (<#paths as #krate::Aggregate>::CATEGORY, __command),)*
                }
            }

            fn execute<__S: #krate::store::EventStore + ::core::clone::Clone + 'static>(
                self,
                __way: &#application::Way<'_, <Self::Application as #application::Application>::Aggregates<__S>>,
                __options: &#application::AnyOptions<'_>,
            ) -> ::core::result::Result<#application::Answer, #application::ByNameError> {
                match self {
                    #(Self::#variants(__command) => {
                        #application::execute_on::<#ident, #paths, __S>(__way, __command, __options)
                    })*
                }
            }
        }

        #[automatically_derived]
        impl #application::CommandInTasks for #command_enum
        where
            #(#known,)*
            #(#in_tasks,)*
        {
            fn execute_later<__W, __S>(
                self,
                __way: #application::SharedWay<<#ident as #application::Application>::Aggregates<__S>>,
                __options: #application::AnyOptions<'static>,
            ) -> #application::LaterAnswer
            where
                __W: #application::Waits,
                __S: #krate::store::EventStore + ::core::clone::Clone + 'static,
                <#ident as #application::Application>::Aggregates<__S>: ::core::marker::Send + ::core::marker::Sync,
            {
                match self {
                    #(Self::#variants(__command) => {
                        #application::execute_later_on::<__W, #ident, #paths, __S>(__way, __command, __options)
                    })*
                }
            }
        }

        #debug
        #serde
    }
}

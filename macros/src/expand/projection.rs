//! `impl Projection`, of a view or a reaction: which events are read, and the dispatch.

use proc_macro2::{Literal, TokenStream};
use syn::{Path, Token};

use super::aggregate::self_at;
use super::enums::distinct_names;
use crate::rules::{Product, Projection};
use crate::syntax::ProjectionSyntax;

pub(crate) fn projection(model: &Projection<'_>) -> TokenStream {
    let Projection { syntax, events, is_partitioned, product } = model;
    let ProjectionSyntax { input, krate, name, from, .. } = syntax;
    let ident = &input.ident;
    let paths: Vec<_> = events.iter().map(|event| event.path).collect();
    let selves: Vec<_> = paths.iter().map(|path| self_at(path)).collect();
    let about = about(krate, &paths, product);
    let one = match product {
        Product::View { .. } => quote!(project),
        Product::SideEffects => quote!(react),
    };
    let from: Vec<_> = from.iter().map(|aggregate| &aggregate.path).collect();
    let sources = (!from.is_empty()).then(|| {
        quote! {
            const FROM: &'static [&'static str] = &[#(<#from as #krate::Aggregate>::NAME),*];
        }
    });
    let unknown = quote!(::core::result::Result::Err(#krate::private::unknown_name(name, event.schema)));
    let other = if from.is_empty() {
        unknown
    } else {
        quote! {
            match event.envelope.category {
                #(<#from as #krate::Aggregate>::NAME => {
                    #krate::private::project_other::<Self, #from>(self, event, writer)
                })*
                _ => #unknown,
            }
        }
    };
    // A missing list is reported. Without it, no handler is one too many.
    let follows_any = events.is_empty().then(|| quote!(impl<E> #krate::Follows<E> for #ident {}));
    let is_reaction = matches!(product, Product::SideEffects).then(|| {
        quote! {
            #[automatically_derived]
            impl #krate::Reaction for #ident {}
        }
    });
    let is_partitioned = is_partitioned.then(|| {
        quote! {
            #[automatically_derived]
            impl #krate::PartitionedByStream for #ident {}
        }
    });
    // A reaction handles one event after the other: only a view gains by decoding ahead.
    let prepare =
        (is_partitioned.is_some() && is_reaction.is_none()).then(|| prepare(krate, &paths, &selves));
    // The events of all aggregates together.
    let kinds = quote!(<#ident as #krate::Projection>::EVENTS);
    let distinct_names = distinct_names(krate, ident, events, &kinds, "make two projections of it");
    quote! {
        #[automatically_derived]
        impl #krate::Projection for #ident {
            const NAME: &'static str = #name;
            const EVENTS: &'static [#krate::EventKind] = &[#(<#paths as #krate::private::ListedEvent>::KIND),*];
            #sources
            #about

            fn project_stored(
                &mut self,
                name: &str,
                event: &#krate::StoredEvent<'_>,
                writer: &#krate::Writer<'_, Self>,
            ) -> ::core::result::Result<(), #krate::ProjectError> {
                #(if #krate::private::is(name, <#paths as #krate::private::ListedEvent>::NAME) {
                    return #krate::private::#one::<#selves, #paths>(self, (event, (<#paths as #krate::private::ListedEvent>::DECODE)(event.schema, event.payload)), writer);
                })*
                match #krate::private::current_name(<Self as #krate::Projection>::EVENTS, name) {
                    ::core::option::Option::Some(name) => self.project_stored(name, event, writer),
                    ::core::option::Option::None => #other,
                }
            }

            fn project_typed(
                &mut self,
                event: &dyn ::core::any::Any,
                envelope: &#krate::Envelope<'_>,
                writer: &#krate::Writer<'_, Self>,
            ) -> ::core::result::Result<(), #krate::ProjectError> {
                #(if let ::core::option::Option::Some(event) = event.downcast_ref::<#paths>() {
                    return #krate::private::#one::<#selves, #paths>(self, (event, envelope), writer);
                })*
                ::core::result::Result::Ok(())
            }

            #prepare
        }

        #is_reaction
        #is_partitioned

        #(
            #[automatically_derived]
            impl #krate::Follows<#paths> for #ident {}
        )*
        #follows_any

        #distinct_names
    }
}

/// The constants and the target of what the projection produces.
fn about(krate: &Path, events: &[&Path], product: &Product<'_>) -> TokenStream {
    let Product::View { version, into, init } = product else {
        return quote! {
            const VERSION: u32 = 1;

            type Target = #krate::SideEffects;
        };
    };
    let version = Literal::u32_unsuffixed(*version);
    let into = into.as_ref().map_or_else(|| quote!(#krate::Memory), |into| quote!(#into));
    let init = init.as_ref().map(|init| {
        quote! {
            const INIT: &'static str = #init;
        }
    });
    quote! {
        const VERSION: u32 = #version;
        const METADATA: bool = {
            #[allow(unused_imports)]
            use #krate::private::NotProjected as _;
            false #(|| #krate::private::Projected::<Self, #events>::METADATA)*
        };
        #init

        type Target = #into;
    }
}

/// Decodes an event apart from the handler's call, for workers that decode side by side.
fn prepare(krate: &Path, events: &[&Path], selves: &[Token![Self]]) -> TokenStream {
    quote! {
        fn prepare(
            name: &str,
            event: &#krate::StoredEvent<'_>,
        ) -> ::core::result::Result<
            ::core::option::Option<#krate::private::Prepared<Self>>,
            #krate::DecodeError,
        > {
            #(if #krate::private::is(name, <#events as #krate::private::ListedEvent>::NAME) {
                return #krate::private::prepare::<#selves, #events>((<#events as #krate::private::ListedEvent>::DECODE)(event.schema, event.payload));
            })*
            match #krate::private::current_name(<Self as #krate::Projection>::EVENTS, name) {
                ::core::option::Option::Some(name) => <Self as #krate::Projection>::prepare(name, event),
                ::core::option::Option::None => ::core::result::Result::Ok(::core::option::Option::None),
            }
        }
    }
}

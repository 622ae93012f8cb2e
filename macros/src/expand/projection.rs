//! `impl Projection`: which events are read, and the dispatch.

use proc_macro2::{Literal, TokenStream};

use super::aggregate::self_at;
use super::enums::distinct_names;
use crate::model::Projection;

pub(crate) fn projection(model: &Projection) -> TokenStream {
    let Projection { krate, ident, name, version, events, from, into, init } = model;
    let version = Literal::u32_unsuffixed(*version);
    let paths: Vec<_> = events.iter().map(|event| &event.path).collect();
    let selves = paths.iter().map(|path| self_at(path));
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
    let into = into.as_ref().map_or_else(|| quote!(#krate::Memory), |into| quote!(#into));
    let init = init.as_ref().map(|init| {
        quote! {
            const INIT: &'static str = #init;
        }
    });
    // From whichever aggregates they are.
    let kinds = quote!(<#ident as #krate::Projection>::EVENTS);
    let distinct_names = distinct_names(krate, ident, events, &kinds, "make two projections of it");
    quote! {
        #[automatically_derived]
        impl #krate::Projection for #ident {
            const NAME: &'static str = #name;
            const VERSION: u32 = #version;
            const EVENTS: &'static [#krate::EventKind] = &[#(#krate::EventKind::of::<#paths>()),*];
            const METADATA: bool = {
                #[allow(unused_imports)]
                use #krate::private::NotProjected as _;
                false #(|| #krate::private::Projected::<Self, #paths>::METADATA)*
            };
            #sources
            #init

            type Target = #into;

            #[allow(unreachable_patterns)]
            fn project_stored(
                &mut self,
                name: &str,
                event: &#krate::StoredEvent<'_>,
                writer: &#krate::Writer<'_, Self>,
            ) -> ::core::result::Result<(), #krate::ProjectError> {
                match name {
                    #(<#paths as #krate::Event>::NAME => {
                        #krate::private::project::<#selves, #paths>(self, event, writer)
                    })*
                    _ => match #krate::private::current_name(<Self as #krate::Projection>::EVENTS, name) {
                        ::core::option::Option::Some(name) => self.project_stored(name, event, writer),
                        ::core::option::Option::None => #other,
                    },
                }
            }

            fn project_typed(
                &mut self,
                event: &dyn ::core::any::Any,
                envelope: &#krate::Envelope<'_>,
                writer: &#krate::Writer<'_, Self>,
            ) -> ::core::result::Result<(), #krate::BoxError> {
                #(if let ::core::option::Option::Some(event) = event.downcast_ref::<#paths>() {
                    return <Self as #krate::Project<#paths>>::project(self, event, envelope, writer);
                })*
                ::core::result::Result::Ok(())
            }
        }

        #(
            #[automatically_derived]
            impl #krate::Follows<#paths> for #ident {}
        )*

        #distinct_names
    }
}

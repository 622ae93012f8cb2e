//! The impls of a projection, a reaction or a process: what it is, which events it reads, and the choice among its handlers.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned as _;
use syn::{Path, Token};

use super::aggregate::self_at;
use super::process::{can_be_refused, process};
use super::{beside, follower_checks, stub};
use crate::rules::{Product, Projection, Target};
use crate::syntax::{ProjectionSyntax, SentSyntax};

pub(crate) fn projection(model: &Projection<'_>) -> TokenStream {
    let Projection { syntax, events: paths, aggregates, is_partitioned, product, .. } = model;
    let ProjectionSyntax { input, krate, name, .. } = syntax;
    let ident = &input.ident;
    let selves: Vec<_> = paths.iter().map(|path| self_at(path)).collect();
    let target = target(krate, paths, product);
    let kind = match product {
        Product::Commands(commands) => process(model, commands),
        _ => kind(krate, ident, paths, product),
    };
    let one = match product {
        Product::View { .. } => quote!(project),
        Product::SideEffects { .. } => quote!(react),
        Product::Commands(_) => quote!(advance),
    };
    let sources = sources(model);
    let comes_from: Vec<_> = comes_from(model).collect();
    // A missing list is reported. Without it, no handler is one too many.
    let follows_any = paths.is_empty().then(|| quote!(impl<__E> #krate::follow::Lists<__E> for #ident {}));
    let is_partitioned = is_partitioned.then(|| {
        quote! {
            #[automatically_derived]
            impl #krate::follow::PartitionedByStream for #ident {}
        }
    });
    // A reaction handles one event after the other: only a view gains by decoding ahead.
    let prepare = (is_partitioned.is_some() && matches!(product, Product::View { .. }))
        .then(|| prepare(krate, paths, &selves, &comes_from));
    let passes_over = passes_over(krate, aggregates);
    let checks = follower_checks::checks(model);
    let underived = stub::underived(krate, &model.underived, &stub::unknown(krate));
    let keyed_by = (0..aggregates.len().min(128)).map(|index| Literal::u128_unsuffixed(1 << index));
    let ids = aggregates
        .iter()
        .map(|aggregate| quote_spanned!(aggregate.span()=> <#aggregate as #krate::Aggregate>::Id));
    let indexes = (0..paths.len()).map(|index| {
        let index = Literal::usize_unsuffixed(index);
        differ(model).then(|| quote!(const INDEX: usize = #index;))
    });
    let made = quote! {
        #[automatically_derived]
        impl #krate::follow::EventHandler for #ident {
            const NAME: &'static str = #name;
            const EVENTS: &'static [#krate::EventKind] = &[#(<#paths as #krate::macro_support::ListedEvent>::KIND),*];
            #sources
            #target

            fn handle_stored(
                &mut self,
                __name: &str,
                __event: &#krate::store::StoredEvent<'_>,
                __context: &#krate::follow::Context<'_, Self>,
            ) -> ::core::result::Result<(), #krate::follow::HandlerError> {
                #(if #krate::macro_support::name_is(__name, <#paths as #krate::macro_support::ListedEvent>::NAME) #comes_from {
                    return #krate::macro_support::#one::<#selves, #paths>(self, (__event, <#paths as #krate::macro_support::ListedEvent>::decode(__event.event_version, __event.payload)), __context);
                })*
                match #krate::macro_support::current_name_in::<Self>(__event.envelope.category, __name) {
                    ::core::option::Option::Some(__name) => {
                        <Self as #krate::follow::EventHandler>::handle_stored(self, __name, __event, __context)
                    }
                    ::core::option::Option::None => {
                        #(if #krate::macro_support::name_is(__event.envelope.category, <#aggregates as #krate::Aggregate>::CATEGORY) {
                            return #krate::macro_support::handle_other::<Self, #aggregates>(self, __event, __context);
                        })*
                        #krate::macro_support::handle_unknown::<Self>(__event)
                    }
                }
            }

            fn handle_typed(
                &mut self,
                __event: &dyn ::core::any::Any,
                __envelope: &#krate::Envelope<'_>,
                __context: &#krate::follow::Context<'_, Self>,
            ) -> ::core::result::Result<(), #krate::follow::HandlerError> {
                #(if let ::core::option::Option::Some(__event) = __event.downcast_ref::<#paths>() {
                    return #krate::macro_support::#one::<#selves, #paths>(self, (__event, __envelope), __context);
                })*
                ::core::result::Result::Ok(())
            }

            #prepare
            #passes_over
        }

        #kind
        #is_partitioned

        #(
            #[automatically_derived]
            impl #krate::follow::Lists<#paths> for #ident { #indexes }
        )*
        #follows_any

        #(
            #[automatically_derived]
            impl #krate::macro_support::KeyedBy<#keyed_by, #ids> for #ident {}
        )*

        #checks
        #underived
    };
    beside(input, made)
}

/// The aggregates that events come from: their categories and, if the events have different ones, those of each event.
fn sources(model: &Projection<'_>) -> Option<TokenStream> {
    let Projection { syntax, events, aggregates, categories, .. } = model;
    let krate = &syntax.krate;
    if aggregates.is_empty() && categories.is_empty() {
        return None;
    }
    let by_name = (!categories.is_empty())
        .then(|| quote!(const FROM_BY_NAME: &'static [&'static str] = &[#(#categories),*];));
    let of_each = differ(model).then(|| {
        let rows = events.iter().map(|event| {
            let has: Vec<_> = aggregates
                .iter()
                .map(|aggregate| quote!(#krate::macro_support::Relation::<#aggregate, #event>::FACTUM_HAS))
                .collect();
            // An event that none of the types has is one of the aggregates given by name.
            let unknown = categories.iter().map(|_| quote!(!(#(#has)||*)));
            quote!(&[#(#has,)* #(#unknown),*])
        });
        quote! {
            const SOURCES: &'static [&'static [bool]] = {
                #[allow(unused_imports)]
                use #krate::macro_support::Unrelated as _;
                &[#(#rows),*]
            };
        }
    });
    Some(quote! {
        const FROM: &'static [&'static str] =
            &[#(<#aggregates as #krate::Aggregate>::CATEGORY,)* #(#categories),*];
        #by_name
        #of_each
    })
}

/// Whether events come from different aggregates. If not, the name alone says which event it is.
pub(super) fn differ(model: &Projection<'_>) -> bool {
    let aggregates = model.aggregates.len();
    aggregates > 0 && aggregates + model.categories.len() > 1
}

/// For each event, what else must hold when a stored event has its name.
fn comes_from<'a>(model: &'a Projection<'_>) -> impl Iterator<Item = Option<TokenStream>> + 'a {
    let krate = &model.syntax.krate;
    let differ = differ(model);
    (0..model.events.len()).map(move |index| {
        let index = Literal::usize_unsuffixed(index);
        differ
            .then(|| quote!(&& #krate::macro_support::comes_from::<Self>(#index, __event.envelope.category)))
    })
}

/// What the handlers write to, and whether they look at metadata.
fn target(krate: &Path, events: &[&Path], product: &Product<'_>) -> TokenStream {
    let into = match product {
        Product::SideEffects { .. } => return quote!(type Target = #krate::follow::SideEffects;),
        Product::Commands(_) => return quote!(type Target = #krate::follow::Commanding<Self>;),
        Product::View { into, .. } => into,
    };
    let into = target_type(krate, into);
    quote! {
        const WANTS_METADATA: bool = {
            #[allow(unused_imports)]
            use #krate::macro_support::NotProjected as _;
            false #(|| #krate::macro_support::Projected::<Self, #events>::WANTS_METADATA)*
        };

        type Target = #into;
    }
}

pub(super) fn target_type(krate: &Path, target: &Target<'_>) -> TokenStream {
    match target {
        Target::Memory => quote!(#krate::memory::Memory),
        Target::Type(ty) => quote!(#ty),
        Target::Unknown => stub::unknown(krate),
    }
}

/// The impl that says what it is: a projection of some version, or a reaction.
fn kind(krate: &Path, ident: &Ident, events: &[&Path], product: &Product<'_>) -> TokenStream {
    let (version, init) = match product {
        Product::View { version, init, .. } => (version, init),
        Product::SideEffects { commands } => return reaction(krate, ident, events, commands),
        Product::Commands(_) => return TokenStream::new(),
    };
    let version = Literal::u32_unsuffixed(*version);
    let init = init.as_ref().map(|init| quote!(const INIT: &'static str = #init;));
    quote! {
        #[automatically_derived]
        impl #krate::follow::Projection for #ident {
            const VERSION: u32 = #version;
            #init
        }
    }
}

/// The impl of a reaction, and those for the commands that it gives.
fn reaction(krate: &Path, ident: &Ident, events: &[&Path], commands: &[&SentSyntax]) -> TokenStream {
    let paths: Vec<_> = commands.iter().map(|command| &command.path).collect();
    let sends = (!paths.is_empty())
        .then(|| quote!(const SENDS: &'static [&'static str] = &[#(<#paths as #krate::Command>::NAME),*];));
    let taken = commands.iter().map(|sent| {
        let can_be_refused = can_be_refused(krate, sent);
        quote!(const _: bool = #can_be_refused;)
    });
    quote! {
        #[automatically_derived]
        impl #krate::follow::Reaction for #ident {
            #sends
            const AWAITS: bool = {
                #[allow(unused_imports)]
                use #krate::macro_support::Unhandled as _;
                false #(|| #krate::macro_support::Asked::<Self, #events>::FACTUM_AWAITS)*
            };
        }

        #(
            #[automatically_derived]
            impl #krate::follow::Gives<#paths> for #ident {}
        )*

        #(#taken)*
    }
}

/// Tells the events that no handler gets. Each would cost a reaction a commit, and hooks would see it.
fn passes_over(krate: &Path, aggregates: &[&Path]) -> TokenStream {
    quote! {
        fn passes_over(__event: &#krate::store::StoredEvent<'_>) -> bool {
            #(if #krate::macro_support::name_is(__event.envelope.category, <#aggregates as #krate::Aggregate>::CATEGORY) {
                return #krate::macro_support::passes_over::<Self, #aggregates>(__event);
            })*
            #krate::macro_support::passes_over_unknown::<Self>(__event)
        }
    }
}

/// Decodes an event apart from the handler's call, for workers that decode side by side.
fn prepare(
    krate: &Path,
    events: &[&Path],
    selves: &[Token![Self]],
    comes_from: &[Option<TokenStream>],
) -> TokenStream {
    quote! {
        fn prepare(
            __name: &str,
            __event: &#krate::store::StoredEvent<'_>,
        ) -> ::core::result::Result<
            ::core::option::Option<#krate::follow::Prepared<Self>>,
            #krate::DecodeError,
        > {
            #(if #krate::macro_support::name_is(__name, <#events as #krate::macro_support::ListedEvent>::NAME) #comes_from {
                return #krate::macro_support::prepare::<#selves, #events>(<#events as #krate::macro_support::ListedEvent>::decode(__event.event_version, __event.payload));
            })*
            match #krate::macro_support::current_name_in::<Self>(__event.envelope.category, __name) {
                ::core::option::Option::Some(__name) => <Self as #krate::follow::EventHandler>::prepare(__name, __event),
                ::core::option::Option::None => ::core::result::Result::Ok(::core::option::Option::None),
            }
        }
    }
}

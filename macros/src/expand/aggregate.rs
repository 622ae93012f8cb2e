//! An aggregate: its two enums, their codec, the dispatch.

use proc_macro2::{Literal, Span, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned as _;
use syn::{Ident, Path, Token, Type};

use super::snapshot::{is_possible, snapshots};
use super::{docs, enums, lock, stub};
use crate::rules::{Aggregate, Listed};
use crate::syntax::{AggregateSyntax, Given, Retired, allowed_lints};

/// The enums and impls of an aggregate. `error` is the placeholder for the enum of a missing list.
pub(crate) fn aggregate(model: &Aggregate<'_>, error: Option<&TokenStream>) -> TokenStream {
    let Aggregate { syntax, commands, events, .. } = model;
    let AggregateSyntax { krate, command_enum, event_enum, .. } = syntax;
    let (ident, vis) = (&syntax.input.ident, &syntax.input.vis);
    let docs = docs::beside(ident);
    let allowed = allowed_lints(&syntax.input.attrs);
    let define = |generated, listed: &[Listed<'_>], what| {
        if listed.is_empty() {
            enums::unknown(vis, generated, error)
        } else {
            let doc = format!("The {what} of [`{ident}`].");
            enums::definition(vis, generated, &doc, &enums::variants(listed, &docs), &allowed)
        }
    };
    let command_definition = define(command_enum, commands, "commands");
    let event_definition = define(event_enum, events, "events");
    let dispatch = dispatch(model, error);
    let command_impls = (!commands.is_empty()).then(|| command_impls(model, error));
    let event_impls = if events.is_empty() {
        // Without the listed events, the retired ones are unknown as well.
        quote!(impl<__E> #krate::Retires<__E> for #ident {})
    } else {
        event_impls(model)
    };
    let underived = stub::underived(krate, &model.underived, &id(model, error));
    let distinct_names = (!events.is_empty()).then(|| distinct_names(model));
    let is_thread_safe =
        quote_spanned!(ident.span()=> const _: () = #krate::macro_support::is_thread_safe::<#ident>(););
    let snapshot_is_possible = model.snapshot.as_ref().map(|snapshot| is_possible(krate, ident, snapshot));
    let locked = model.lock.as_ref().filter(|_| !events.is_empty()).map(|file| {
        let (tracked, listed) = (lock::tracked(&file.path), lock::listed(model, &file.lock));
        quote!(#tracked #listed)
    });
    quote! {
        #command_definition

        #event_definition

        // An aggregate keeps its deprecated events: stored ones are read.
        #[allow(deprecated)]
        #allowed
        const _: () = {
            #dispatch
            #is_thread_safe
            #command_impls
            #event_impls
            #underived
            #distinct_names
            #snapshot_is_possible
            #locked
        };
    }
}

/// `impl Aggregate`.
fn dispatch(model: &Aggregate<'_>, reported: Option<&TokenStream>) -> TokenStream {
    let Aggregate { syntax, commands, events, snapshot, .. } = model;
    let AggregateSyntax { krate, name, command_enum, event_enum, .. } = syntax;
    let ident = &syntax.input.ident;
    let (id, error, services) = (id(model, reported), error_type(model, reported), services(model, reported));
    let snapshots = snapshot.as_ref().map(|snapshot| snapshots(krate, snapshot));
    let (command_enum, event_enum) = (&command_enum.ident, &event_enum.ident);
    let unknown_command = commands.is_empty().then(|| quote!(_ => ::core::unreachable!(),));
    let unknown_event = events.is_empty().then(|| quote!(_ => ::core::unreachable!(),));
    // One `quote!`: a stream of tokens inside another costs more than the tokens.
    let (asked, asked_variants, asked_selves) = taken_apart(commands);
    let (applied, applied_variants, applied_selves) = taken_apart(events);
    quote! {
        #[automatically_derived]
        impl #krate::Aggregate for #ident {
            const CATEGORY: &'static str = #name;
            #snapshots

            type Id = #id;
            type Command = #command_enum;
            type Event = #event_enum;
            type Error = #error;
            type Services = #services;

            fn initial() -> Self {
                <Self as ::core::default::Default>::default()
            }

            fn duplicate(&self) -> Self {
                <Self as ::core::clone::Clone>::clone(self)
            }

            fn execute(
                &self,
                __command: #command_enum,
                __services: &Self::Services,
            ) -> #krate::macro_support::Execution<Self> {
                match __command {
                    #(#command_enum::#asked_variants(__command) => {
                        <#asked_selves as #krate::Execute<#asked>>::execute(self, __command, __services)
                    })*
                    #unknown_command
                }
            }

            fn apply(&mut self, __event: &#event_enum) {
                match __event {
                    #(#event_enum::#applied_variants(__event) => {
                        <#applied_selves as #krate::Apply<#applied>>::apply(self, __event)
                    })*
                    #unknown_event
                }
            }
        }
    }
}

/// The id type. A missing one is most likely that of the commands.
pub(super) fn id(model: &Aggregate<'_>, reported: Option<&TokenStream>) -> TokenStream {
    let krate = &model.syntax.krate;
    match (&model.id, model.commands.first()) {
        (Given::Value(id), _) => quote!(#id),
        (Given::Missing, Some(Listed { path, .. })) => quote!(<#path as #krate::Command>::Id),
        _ => quote!([(); #reported]),
    }
}

pub(super) fn error_type(model: &Aggregate<'_>, reported: Option<&TokenStream>) -> TokenStream {
    type_or(&model.error, || quote!(::core::convert::Infallible), reported)
}

pub(super) fn services(model: &Aggregate<'_>, reported: Option<&TokenStream>) -> TokenStream {
    type_or(&model.services, || quote!(()), reported)
}

/// The type that is given, or its default. In place of one with a mistake, an error is a type that fits everywhere.
fn type_or(
    given: &Given<&Type>,
    default: impl FnOnce() -> TokenStream,
    reported: Option<&TokenStream>,
) -> TokenStream {
    match given {
        Given::Value(ty) => quote!(#ty),
        Given::Missing => default(),
        Given::Invalid => quote!([(); #reported]),
    }
}

/// `Self`, placed where `path` is: rustc reports a missing impl at the type that lacks it, and the user looks at the list.
pub(super) fn self_at(path: &Path) -> Token![Self] {
    Token![Self](path.span().resolved_at(Span::call_site()))
}

/// The types of a list, their variants, and `Self` at the place of each.
fn taken_apart<'a>(listed: &'a [Listed<'_>]) -> (Vec<&'a Path>, Vec<&'a Ident>, Vec<Token![Self]>) {
    let paths = listed.iter().map(|listed| listed.path);
    let variants = listed.iter().map(|listed| &listed.variant);
    (paths.clone().collect(), variants.collect(), paths.map(self_at).collect())
}

/// The command enum is a command, and each listed struct converts into it.
fn command_impls(model: &Aggregate<'_>, reported: Option<&TokenStream>) -> TokenStream {
    let AggregateSyntax { input, krate, command_enum, .. } = model.syntax;
    let (ident, id) = (&input.ident, id(model, reported));
    let debug = enums::debug(command_enum);
    let command_enum = &command_enum.ident;
    let (paths, variants, _) = taken_apart(&model.commands);
    quote!(#krate::macro_support::command_enum!(#debug #command_enum of #ident, #id: #(#variants(#paths))*);)
}

/// The event enum is the codec, and each listed struct converts into it. `macro_rules!` repeat the part of each event.
fn event_impls(model: &Aggregate<'_>) -> TokenStream {
    let AggregateSyntax { input, krate, event_enum, .. } = model.syntax;
    let retired = &model.retired;
    let ident = &input.ident;
    let debug = enums::debug(event_enum);
    let event_enum = &event_enum.ident;
    let (paths, variants, _) = taken_apart(&model.events);
    let retired_kinds = (!retired.is_empty()).then(|| {
        let kinds = retired.iter().map(|retired| match retired {
            Retired::Type(path) => quote!(<#path as #krate::macro_support::ListedEvent>::KIND),
            Retired::Name(name) => quote!(#krate::EventKind::named(#name)),
        });
        quote!(const RETIRED: &'static [#krate::EventKind] = &[#(#kinds),*];)
    });
    let retired_arms = retired.iter().map(|retired| match retired {
        // Only rustc knows whether the event has an `#[upcast]` function: it takes the first of the two traits that fits.
        Retired::Type(path) => quote! {
            <#path as #krate::Event>::NAME => {
                use #krate::macro_support::{ReadDropped as _, ReadUpcast as _};
                (&#krate::macro_support::RetiredProbe::<#ident, #path>::ask()).read_retired(__version, __payload)
            }
        },
        Retired::Name(name) => quote! {
            #name => ::core::result::Result::Ok(#krate::Decoded::Several(::std::vec::Vec::new())),
        },
    });
    let read_retired = (!retired.is_empty()).then(|| {
        quote! {
            #[allow(unreachable_patterns)]
            fn read_retired(
                __name: &str,
                __version: u32,
                __payload: &str,
            ) -> #krate::macro_support::Decoding<#krate::Decoded<Self>> {
                match __name {
                    #(#retired_arms)*
                    _ => #krate::macro_support::decode_other(__name, __version, __payload),
                }
            }
        }
    });
    let retired_types = retired.iter().filter_map(|retired| match retired {
        Retired::Type(path) => Some(path),
        Retired::Name(_) => None,
    });
    quote! {
        #krate::macro_support::event_enum! {
            #debug #event_enum of #ident: #(#variants(#paths))*;
            retired #(#retired_types)*; { #retired_kinds #read_retired }
        }
    }
}

/// No two events are stored under one name. The names are constants of the events, so rustc compares them.
fn distinct_names(model: &Aggregate<'_>) -> TokenStream {
    let AggregateSyntax { input, krate, event_enum, .. } = model.syntax;
    let retired = &model.retired;
    let (ident, events) = (&input.ident, &model.events);
    let event_enum = &event_enum.ident;
    let set = quote!(<#event_enum as #krate::EventSet>);
    let kinds = quote!(#set::KINDS);
    let fix = "give one of them another with `#[event(name = \"..\")]`";
    let paths: Vec<_> = events.iter().map(|listed| listed.path).collect();
    let listed = enums::distinct_names(krate, ident, &paths, &kinds, &quote!(&[]), fix);
    let count = Literal::usize_unsuffixed(events.len());
    let retired = retired.iter().enumerate().map(|(index, retired)| {
        let (span, shown) = match retired {
            Retired::Type(path) => (path.span(), quote!(#path).to_string().replace(' ', "")),
            Retired::Name(name) => (name.span(), name.value()),
        };
        let index = Literal::usize_unsuffixed(index);
        let message = format!(
            "`{ident}` has retired `{shown}`, whose name, or an alias of it, is that of another event: stored events \
             could not be told apart"
        );
        quote_spanned! {span=>
            const _: () = ::core::assert!(
                #krate::macro_support::is_unused(#set::KINDS, #count, &#set::RETIRED[#index])
                    && #krate::macro_support::is_new(#set::RETIRED, #index),
                #message
            );
        }
    });
    quote!(#listed #(#retired)*)
}

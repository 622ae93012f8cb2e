//! An aggregate: its two enums, their codec, the dispatch.

use proc_macro2::{Literal, Span, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned as _;
use syn::{Ident, Path, Token};

use super::snapshot::{is_possible, snapshots};
use super::{enums, lock};
use crate::model::{Aggregate, Listed, Retired};

pub(crate) fn aggregate(model: &Aggregate) -> TokenStream {
    let Aggregate { ident, vis, commands, events, command_enum, event_enum, .. } = model;
    let command_definition = enums::definition(vis, ident, command_enum, commands, "commands");
    let event_definition = enums::definition(vis, ident, event_enum, events, "events");
    let command_conversions = enums::conversions(command_enum, commands);
    let event_conversions = enums::conversions(event_enum, events);
    let dispatch = dispatch(model);
    let command_impls = command_impls(model);
    let codec = codec(model);
    let event_impls = event_impls(model);
    let distinct_names = distinct_names(model);
    let kept = model.snapshot.as_ref().map(|snapshot| is_possible(&model.krate, ident, snapshot));
    let locked = model.lock.as_ref().map(|(path, recorded)| {
        let (tracked, listed) = (lock::tracked(path), lock::listed(model, recorded));
        quote!(#tracked #listed)
    });
    quote! {
        #command_definition

        #event_definition

        const _: () = {
            #dispatch
            #command_conversions
            #command_impls
            #event_conversions
            #codec
            #event_impls
            #distinct_names
            #kept
            #locked
        };
    }
}

/// `impl Aggregate`.
fn dispatch(model: &Aggregate) -> TokenStream {
    let Aggregate {
        krate,
        ident,
        name,
        id,
        error,
        services,
        commands,
        events,
        snapshot,
        command_enum,
        event_enum,
        ..
    } = model;
    let snapshots = snapshot.as_ref().map(|snapshot| snapshots(krate, snapshot));
    let error = error.as_ref().map_or_else(|| quote!(::core::convert::Infallible), |error| quote!(#error));
    let services = services.as_ref().map_or_else(|| quote!(()), |services| quote!(#services));
    let (command_enum, event_enum) = (&command_enum.ident, &event_enum.ident);
    // All in one: a stream of tokens inside another costs more than the tokens.
    let (asked, asked_variants, asked_selves) = taken_apart(commands);
    let (applied, applied_variants, applied_selves) = taken_apart(events);
    quote! {
        #[automatically_derived]
        impl #krate::Aggregate for #ident {
            const NAME: &'static str = #name;
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
                command: #command_enum,
                services: &Self::Services,
            ) -> #krate::private::Execution<Self> {
                match command {
                    #(#command_enum::#asked_variants(command) => {
                        <#asked_selves as #krate::Execute<#asked>>::execute(self, command, services)
                    })*
                }
            }

            fn apply(&mut self, event: &#event_enum) {
                match event {
                    #(#event_enum::#applied_variants(event) => {
                        <#applied_selves as #krate::Apply<#applied>>::apply(self, event)
                    })*
                }
            }
        }
    }
}

/// `Self`, placed where `path` is: rustc complains of a missing impl at the type that lacks it, and the list is where
/// the user looks.
pub(super) fn self_at(path: &Path) -> Token![Self] {
    Token![Self](path.span().resolved_at(Span::call_site()))
}

/// The types of a list, their variants, and `Self` at the place of each.
fn taken_apart(listed: &[Listed]) -> (Vec<&Path>, Vec<&Ident>, Vec<Token![Self]>) {
    let paths = listed.iter().map(|listed| &listed.path);
    let variants = listed.iter().map(|listed| &listed.variant);
    (paths.clone().collect(), variants.collect(), paths.map(self_at).collect())
}

/// The command enum is a command; the aggregate accepts it, and each of its variants.
fn command_impls(model: &Aggregate) -> TokenStream {
    let Aggregate { krate, ident, id, commands, command_enum, .. } = model;
    let command_enum = &command_enum.ident;
    let (paths, variants, _) = taken_apart(commands);
    quote! {
        #[automatically_derived]
        impl #krate::Command for #command_enum {
            type Id = #id;

            fn aggregate_id(&self) -> &#id {
                match self {
                    #(Self::#variants(command) => #krate::private::id_of::<#paths, #id>(command),)*
                }
            }
        }

        #[automatically_derived]
        impl #krate::Accepts<#command_enum> for #ident {}

        #(
            impl #krate::Lists<#paths> for #ident {}
            impl #krate::Accepts<#paths> for #ident {}
        )*
    }
}

/// The event enum is the codec.
fn codec(model: &Aggregate) -> TokenStream {
    let Aggregate { krate, ident, events, retired, event_enum, .. } = model;
    let event_enum = &event_enum.ident;
    let paths: Vec<_> = events.iter().map(|event| &event.path).collect();
    let variants: Vec<_> = events.iter().map(|event| &event.variant).collect();
    let retired_kinds = (!retired.is_empty()).then(|| {
        let kinds = retired.iter().map(|retired| match retired {
            Retired::Type(path) => quote!(<#path as #krate::Event>::KIND),
            Retired::Name(name) => quote!(#krate::EventKind::named(#name)),
        });
        quote!(const RETIRED: &'static [#krate::EventKind] = &[#(#kinds),*];)
    });
    let retired_arms = retired.iter().map(|retired| match retired {
        // Whether there is an `#[upcast]` function for it, rustc knows: the first of the two traits whose method fits.
        Retired::Type(path) => quote! {
            <#path as #krate::Event>::NAME => {
                use #krate::private::{ReadAsNothing as _, ReadAsOthers as _};
                (&#krate::private::Retired::<#ident, #path>::ask()).read(version, payload)
            }
        },
        Retired::Name(name) => quote! {
            #name => ::core::result::Result::Ok(#krate::Decoded::Several(::std::vec::Vec::new())),
        },
    });
    let retired_types: Vec<_> = retired
        .iter()
        .filter_map(|retired| match retired {
            Retired::Type(path) => Some(path),
            Retired::Name(_) => None,
        })
        .collect();
    quote! {
        #[automatically_derived]
        impl #krate::EventSet for #event_enum {
            const KINDS: &'static [#krate::EventKind] = &[#(<#paths as #krate::Event>::KIND),*];
            #retired_kinds

            fn name(&self) -> &'static str {
                match self {
                    #(Self::#variants(_) => <#paths as #krate::Event>::NAME,)*
                }
            }

            fn version(&self) -> u32 {
                match self {
                    #(Self::#variants(_) => <#paths as #krate::Event>::VERSION,)*
                }
            }

            fn encode(&self, out: &mut #krate::private::Bytes) -> #krate::private::Encoding {
                match self {
                    #(Self::#variants(event) => <#paths as #krate::Event>::encode(event, out),)*
                }
            }

            fn shapes() -> ::std::vec::Vec<#krate::Shape> {
                let mut shapes = ::std::vec::Vec::new();
                #(<#paths as #krate::Event>::shapes(&mut shapes);)*
                #(<#retired_types as #krate::Event>::shapes(&mut shapes);)*
                shapes
            }

            fn inner(&self) -> &dyn ::core::any::Any {
                match self {
                    #(Self::#variants(event) => event,)*
                }
            }

            #[allow(unreachable_patterns)]
            fn decode(
                name: &str,
                version: u32,
                payload: &str,
            ) -> #krate::private::Decoding<#krate::Decoded<Self>> {
                match name {
                    #(<#paths as #krate::Event>::NAME => {
                        #krate::private::one(<#paths as #krate::Event>::decode(version, payload), Self::#variants)
                    })*
                    #(#retired_arms)*
                    _ => #krate::private::decode_other(name, version, payload),
                }
            }
        }
    }
}

/// The aggregate emits the event enum, and each of its variants.
fn event_impls(model: &Aggregate) -> TokenStream {
    let Aggregate { krate, ident, events, retired, event_enum, .. } = model;
    let event_enum = &event_enum.ident;
    let paths: Vec<_> = events.iter().map(|event| &event.path).collect();
    let retired_types = retired.iter().filter_map(|retired| match retired {
        Retired::Type(path) => Some(path),
        Retired::Name(_) => None,
    });
    quote! {
        #[automatically_derived]
        impl #krate::IntoEvents<#ident> for #event_enum {
            fn append_to(self, out: &mut ::std::vec::Vec<#event_enum>) {
                out.push(self);
            }
        }

        #[automatically_derived]
        impl #krate::Emits<#event_enum> for #ident {}

        #(
            #[automatically_derived]
            impl #krate::Retires<#retired_types> for #ident {}
        )*

        #(
            impl #krate::Lists<#paths> for #ident {}
            impl #krate::Emits<#paths> for #ident {}
        )*
    }
}

/// No two events are stored under one name. The names are constants of the events, so rustc compares them.
fn distinct_names(model: &Aggregate) -> TokenStream {
    let Aggregate { krate, ident, events, retired, event_enum, .. } = model;
    let event_enum = &event_enum.ident;
    let set = quote!(<#event_enum as #krate::EventSet>);
    let kinds = quote!(#set::KINDS);
    let mend = "give one of them another with `#[event(name = \"..\")]`";
    let listed = enums::distinct_names(krate, ident, events, &kinds, mend);
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
                #krate::private::is_unused(#set::KINDS, #count, &#set::RETIRED[#index])
                    && #krate::private::is_new(#set::RETIRED, #index),
                #message
            );
        }
    });
    quote!(#listed #(#retired)*)
}

//! The impls that a process has besides those of all followers.

use proc_macro2::{Literal, Span, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned as _;
use syn::{Member, Path};

use super::enums::shown;
use super::schema::fingerprint_of_state;
use super::stub;
use crate::rules::{Process, Projection, RoutedEvent};
use crate::syntax::{ProjectionSyntax, Route, SentSyntax};

pub(super) fn process(model: &Projection<'_>, process: &Process<'_>) -> TokenStream {
    let ProjectionSyntax { input, krate, .. } = model.syntax;
    let ident = &input.ident;
    let Process { id, events, commands, timeouts } = process;
    let id_type = id.map_or_else(|| stub::unknown(krate), |id| quote!(#id));
    let fingerprint = fingerprint_of_state(krate, input, 1);
    let paths: Vec<_> = commands.iter().map(|command| &command.path).collect();
    let routed = events.iter().map(|event| receives(model, event));
    let sent = commands.iter().map(|command| sends(model, command));
    let refused = commands.iter().filter(|command| command.unrefused.is_none()).map(|command| &command.path);
    let steps = steps(model, process);
    let checks = checks(model, process);
    let any = placeholders(model, process);
    let duplicate = quote_spanned!(ident.span().resolved_at(Span::mixed_site())=> <Self as ::core::clone::Clone>::clone(self));
    quote! {
        #[automatically_derived]
        impl #krate::follow::Process for #ident {
            type Id = #id_type;

            const STATE: #krate::follow::StateCodec<Self> = #krate::macro_support::state_codec(#fingerprint);

            const SENDS: &'static [&'static str] = &[#(<Self as #krate::follow::Sends<#paths>>::CODEC.name),*];

            const STEPS: &'static [#krate::follow::SentOn] = {
                #[allow(unused_imports)]
                use #krate::macro_support::Unhandled as _;
                &[#steps]
            };

            fn duplicate(&self) -> Self {
                #duplicate
            }

            fn handle_timeout(
                &mut self,
                __name: &str,
                __version: u32,
                __payload: &str,
                __envelope: &#krate::Envelope<'_>,
                __turn: &#krate::follow::Turn<'_, Self>,
            ) -> ::core::result::Result<(), #krate::follow::HandlerError> {
                #(if #krate::macro_support::is_timeout::<#timeouts>(__name) {
                    return #krate::macro_support::time_out::<Self, #timeouts>(__version, __payload, __envelope, __turn);
                })*
                ::core::result::Result::Err(#krate::macro_support::unknown_timeout(__name, __version))
            }

            fn shapes(__out: &mut ::std::vec::Vec<#krate::Shape>) {
                #[allow(unused_imports)]
                use #krate::macro_support::NotVersioned as _;
                #(<#timeouts as #krate::Event>::shapes(__out);)*
                #(#krate::macro_support::Versioned::<#paths>::FACTUM_SHAPES(__out);)*
                let _ = __out;
            }

            fn name_now(__command: &str) -> ::core::option::Option<&'static str> {
                #(if <Self as #krate::follow::Sends<#paths>>::CODEC.has_name(__command) {
                    return ::core::option::Option::Some(<Self as #krate::follow::Sends<#paths>>::CODEC.name);
                })*
                ::core::option::Option::None
            }

            fn upgraded(
                __command: &str,
                __version: u32,
                __payload: &str,
            ) -> ::core::result::Result<::core::option::Option<::std::string::String>, #krate::BoxError> {
                #(if __command == <Self as #krate::follow::Sends<#paths>>::CODEC.name {
                    return #krate::macro_support::upgraded::<Self, #paths>(__version, __payload);
                })*
                ::core::result::Result::Ok(::core::option::Option::None)
            }

            fn handle_refusal(
                &mut self,
                __command: &str,
                __version: u32,
                __payload: &str,
                __refusal: &dyn ::core::any::Any,
                __instance: &#krate::follow::Instance<#id_type>,
            ) -> #krate::macro_support::Refusing {
                #[allow(unused_imports)]
                use #krate::macro_support::{HandlesRefusal as _, Unrefused as _};
                #(if __command == <Self as #krate::follow::Sends<#refused>>::CODEC.name {
                    return (&#krate::macro_support::Asked::<Self, #refused>::ASK)
                        .refuse(self, __version, __payload, __refusal, __instance);
                })*
                ::core::option::Option::None
            }
        }

        #(#routed)*
        #(#sent)*
        #any

        #(
            #[automatically_derived]
            impl #krate::follow::Sets<#timeouts> for #ident {}

            #[automatically_derived]
            impl #krate::follow::Lists<#timeouts> for #ident {}

            #[automatically_derived]
            impl #krate::Knows<#timeouts> for #ident {}

            #krate::macro_support::receives!(#ident #timeouts: false, |_, __key| ::core::result::Result::Ok(::std::borrow::ToOwned::to_owned(__key)));
        )*

        #checks
    }
}

/// What takes the place of lists that are missing, which is reported: without them, nothing is one too many.
fn placeholders(model: &Projection<'_>, process: &Process<'_>) -> TokenStream {
    let ProjectionSyntax { input, krate, .. } = model.syntax;
    let ident = &input.ident;
    let sends_any = process.commands.is_empty().then(|| {
        quote! {
            impl<__C> #krate::follow::Sends<__C> for #ident {
                const CODEC: #krate::follow::CommandCodec<__C> = #krate::macro_support::no_codec();
            }
        }
    });
    let gets_any = (process.events.is_empty() && process.timeouts.is_empty()).then(|| {
        quote! {
            impl<__E> #krate::Knows<__E> for #ident {}
            impl<__T: #krate::follow::Timeout> #krate::follow::Sets<__T> for #ident {}
        }
    });
    quote!(#sends_any #gets_any)
}

/// What the process sends on each event, time-out and refusal.
fn steps(model: &Projection<'_>, process: &Process<'_>) -> TokenStream {
    let ProjectionSyntax { krate, .. } = model.syntax;
    let Process { events, commands, timeouts, .. } = process;
    let asked = |listed: &Path| quote!(#krate::macro_support::Asked::<Self, #listed>);
    let of_events = events.iter().enumerate().map(|(index, event)| {
        let (index, asked) = (Literal::usize_unsuffixed(index), asked(event.path));
        quote!(#krate::follow::SentOn::new(<Self as #krate::follow::EventHandler>::EVENTS[#index].name, #asked::FACTUM_SENDS))
    });
    let of_timeouts = timeouts.iter().map(|timeout| {
        let asked = asked(timeout);
        quote!(#krate::follow::SentOn::new(<#timeout as #krate::Event>::NAME, #asked::FACTUM_SENDS))
    });
    let of_refusals = commands.iter().filter(|command| command.unrefused.is_none()).map(|command| {
        let (path, asked) = (&command.path, asked(&command.path));
        quote!(#krate::follow::SentOn::refusal(<Self as #krate::follow::Sends<#path>>::CODEC.name, #asked::FACTUM_SENDS_REFUSED))
    });
    let all = of_events.chain(of_timeouts).chain(of_refusals);
    quote!(#(#all),*)
}

/// How an event finds its instance, and what that does with it.
fn receives(model: &Projection<'_>, event: &RoutedEvent<'_>) -> TokenStream {
    let ProjectionSyntax { input, krate, .. } = model.syntax;
    let (ident, RoutedEvent { path, by, starts }) = (&input.ident, event);
    let instance = match by {
        Route::Stream(word) => {
            let span = word.span().resolved_at(Span::mixed_site());
            quote_spanned!(span=> #krate::macro_support::by_stream::<#ident>(__key))
        }
        Route::Field(field) => {
            // An error about the field's type has its caret at the field.
            let span = field.span().resolved_at(Span::mixed_site());
            let mut field = field.clone();
            match &mut field {
                Member::Named(name) => name.set_span(span),
                Member::Unnamed(index) => index.span = span,
            }
            let value = quote_spanned!(span=> &__event.#field);
            // The caret begins at the parentheses. At `#krate` it would have no place in the source.
            quote_spanned!(span=> (#krate::macro_support::by_field::<#ident, _>)(#value))
        }
    };
    quote! {
        #[automatically_derived]
        impl #krate::Knows<#path> for #ident {}

        #krate::macro_support::receives!(#ident #path: #starts, |__event, __key| #instance);
    }
}

/// How a command is stored until it is sent.
fn sends(model: &Projection<'_>, command: &SentSyntax) -> TokenStream {
    let ProjectionSyntax { input, krate, .. } = model.syntax;
    let (ident, path) = (&input.ident, &command.path);
    let to = command
        .aggregate
        .as_ref()
        .map(|aggregate| quote!(.sent_to(#krate::macro_support::CategoryOf::<#aggregate>::NAME)));
    quote! {
        #[automatically_derived]
        impl #krate::follow::Sends<#path> for #ident {
            const CODEC: #krate::follow::CommandCodec<#path> = {
                #[allow(unused_imports)]
                use #krate::macro_support::{NoAggregate as _, NotVersioned as _};
                #krate::macro_support::command_codec::<#path>(#krate::macro_support::Versioned::<#path>::FACTUM_CODEC) #to
            };
        }
    }
}

/// What rustc checks of the lists.
fn checks(model: &Projection<'_>, process: &Process<'_>) -> TokenStream {
    let ProjectionSyntax { input, krate, .. } = model.syntax;
    let (ident, Process { id, events, commands, timeouts }) = (&input.ident, process);
    let mut checks = TokenStream::new();
    let handled = |listed: &Path| quote!(#krate::macro_support::Asked::<#ident, #listed>);
    for RoutedEvent { path, by, .. } in events {
        let (ask, message) = (
            handled(path),
            format!(
                "`{ident}` lists the event `{0}` and neither reacts to it nor applies it: write a `#[react]` or an `#[apply]` method \
             that takes `&{0}`, or take it out of its list",
                shown(path)
            ),
        );
        checks.extend(check(
            krate,
            &quote!(#ask::FACTUM_REACTS || #ask::FACTUM_APPLIES),
            path.span(),
            &message,
        ));
        if let (Route::Stream(word), Some(id)) = (by, id) {
            let sources = model.aggregates.iter().map(|aggregate| {
                let has = quote!(#krate::macro_support::Relation::<#aggregate, #path>::FACTUM_HAS);
                let is_same = quote!(
                    #krate::macro_support::SameType::<<#aggregate as #krate::Aggregate>::Id, #id>::FACTUM_IS
                );
                quote!(!#has || #is_same)
            });
            let message = format!(
                "`{}` happens to an aggregate whose id is not that of the process `{ident}`: name the field that has it, as \
                 `{} by field`",
                shown(path),
                shown(path)
            );
            checks.extend(check(krate, &quote!(true #(&& (#sources))*), word.span(), &message));
        }
    }
    for path in timeouts {
        let ask = handled(path);
        let unhandled = format!(
            "`{ident}` lists the time-out `{0}` and has no `#[react]` method that takes `&{0}`",
            shown(path)
        );
        let envelope = format!(
            "the `#[react]` method of `{ident}` for the time-out `{0}` takes an envelope, which only events have",
            shown(path)
        );
        checks.extend(check(krate, &quote!(#ask::FACTUM_REACTS), path.span(), &unhandled));
        checks.extend(check(krate, &quote!(!#ask::FACTUM_WANTS_ENVELOPE), path.span(), &envelope));
    }
    for sent @ SentSyntax { path, unrefused, .. } in commands {
        let can_be_refused = can_be_refused(krate, sent);
        if unrefused.is_some() {
            checks.extend(quote!(const _: bool = #can_be_refused;));
            continue;
        }
        let (ask, message) = (
            handled(path),
            format!(
                "`{ident}` has no `#[refused]` method for the command `{0}`, which can be refused: write one that takes `&{0}` and the \
             aggregate's error, or write `{0} unrefused`: a refusal is then a dead letter that holds the instance",
                shown(path)
            ),
        );
        checks.extend(check(
            krate,
            &quote!(#ask::FACTUM_IS_REFUSED || !#can_be_refused),
            path.span(),
            &message,
        ));
    }
    checks
}

/// Asks whether a command can be refused; that an aggregate takes it, is asked too.
pub(super) fn can_be_refused(krate: &Path, sent: &SentSyntax) -> TokenStream {
    let SentSyntax { path, aggregate, .. } = sent;
    match aggregate {
        None => quote_spanned!(path.span()=> (#krate::macro_support::can_be_refused::<#path, _>)()),
        Some(aggregate) => {
            quote_spanned!(aggregate.span()=> (#krate::macro_support::can_be_refused_by::<#path, #aggregate>)())
        }
    }
}

/// A constant for each check: the first one that fails ends its constant.
fn check(krate: &Path, asks: &TokenStream, span: Span, message: &str) -> TokenStream {
    let assert = quote_spanned!(span=> (#krate::macro_support::assert_handled)(#asks, #message););
    quote! {
        const _: () = {
            #[allow(unused_imports)]
            use #krate::macro_support::{OtherType as _, Unhandled as _, Unrelated as _};
            #assert
        };
    }
}

//! The impls of an application: its parts, how it starts, and the checks across them.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens as _, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Path, Type};

use super::timers::Timers;
use super::{allowing, application_command, at, enums};
use crate::rules::{Application, Follower, Kind, Letters, Member};
use crate::syntax::{ApplicationSyntax, PartSyntax, allowed_lints};

pub(crate) fn application(model: &Application<'_>) -> TokenStream {
    let Application { syntax, aggregates, followers, hooks, schedules } = model;
    let ApplicationSyntax { input, krate, name, takes_names, command_enum, .. } = syntax;
    let (ident, command_enum) = (&input.ident, &command_enum.ident);
    let paths: Vec<_> = aggregates.iter().map(|aggregate| aggregate.path).collect();
    // Tokens with the place of a type would not see variables of this place.
    let (this, start_token) = (quote!(self), quote!(__start));
    let repositories = aggregates.iter().enumerate().map(|(index, aggregate)| {
        let path = aggregate.path;
        match aggregate.services {
            None => {
                let services = of_aggregate(krate, path, "Services");
                quote_spanned! {path.span()=>
                    #start_token.with::<#path, _>(#krate::application::OwnServices::<#services>::factum_services())
                }
            }
            Some(field) => {
                let (member, ty) = (&field.member, field.ty);
                // The last aggregate that needs them gets the services themselves.
                let mut later = aggregates.iter().skip(index + 1).filter_map(|later| later.services);
                let clone = later.any(|later| later.member == field.member).then(|| quote!(.clone()));
                quote_spanned!(ty.span()=> #start_token.with::<#path, #ty>(#this.#member #clone))
            }
        }
    });
    // Processes, reactions and timers send their commands to whatever aggregate takes them.
    let sends = followers.iter().any(|follower| follower.kind != Kind::View);
    let routes = (sends || !schedules.is_empty()).then(|| quote!(#(__start.route::<Self, #paths>(&__all);)*));
    let hooks = hooks.iter().map(|hook| add_hook(&start_token, &this, hook));
    let known = known(model);
    let each_known = quote!(where #(#known,)*);
    let takes_names = takes_names.then(|| {
        quote! {
            #[automatically_derived]
            impl #krate::application::TakesNames for #ident #each_known {}
        }
    });
    let types: Vec<_> = followers.iter().map(|follower| follower.field.ty).collect();
    let followed = followers.iter().map(|follower| what_it_follows(krate, follower));
    let bounds =
        followers.iter().filter(|follower| follower.store.is_none()).map(|follower| runs(krate, follower));
    let models = paths.iter().map(|path| of_aggregate(krate, path, "MODEL"));
    let modelled = followers.iter().map(|follower| what_it_follows(krate, follower));
    let started = followers.iter().map(|follower| start(krate, follower));
    let Timers { impls: timers, bound: keeps_timers, started: started_timers, modelled: modelled_timers } =
        Timers::new(krate, ident, schedules, &each_known);
    let (has, checks) = (has(model), checks(model));
    let made = quote! {
        #[automatically_derived]
        impl #krate::application::Application for #ident
        where
            #(#known,)*
        {
            const NAME: &'static str = #name;
            const MODEL: #krate::application::Model = #krate::application::Model::new(
                #name,
                &[#(#models),*],
                &[#(#krate::application::FollowerModel::followed(&#modelled)),*],
            )#modelled_timers;

            type Command = #command_enum;
            type Aggregates<__S: #krate::store::EventStore + ::core::clone::Clone + 'static> =
                (#(#krate::Repository<#paths, __S>,)*);
        }

        #has

        #(
            #[automatically_derived]
            impl #krate::application::Runs<#types> for #ident
            #each_known
            {
                const NAME: &'static str = #followed.name;
            }
        )*

        #[automatically_derived]
        impl<__S> #krate::application::RunsOn<__S> for #ident
        where
            __S: #krate::store::EventStore + ::core::clone::Clone + 'static,
            #(__S: #bounds,)*
            #(#known,)*
            #keeps_timers
        {
            fn assemble(
                self,
                __start: &mut #krate::application::Start<__S>,
            ) -> ::core::result::Result<::std::sync::Arc<Self::Aggregates<__S>>, #krate::application::StartError> {
                #[allow(unused_imports)]
                use #krate::application::LacksServices as _;
                let __all = ::std::sync::Arc::new((#(#repositories,)*));
                #(#hooks)*
                #routes
                let __events = __start.store().clone();
                #(#started)*
                #started_timers
                ::core::result::Result::Ok(__all)
            }
        }

        #takes_names
        #timers
        #checks
    };
    let (command, command_impls) =
        (application_command::definition(model), application_command::impls(model));
    // Bounds that hold for any lifetime are never known to fail.
    let allowed = allowed_lints(&input.attrs);
    let impls = allowing(&quote!(#[allow(unused_lifetimes)] #allowed), quote!(#made #command_impls));
    quote!(#command #impls)
}

fn add_hook(start: &TokenStream, this: &TokenStream, hook: &PartSyntax) -> TokenStream {
    let PartSyntax { member, ty, .. } = hook;
    let name = member.to_token_stream().to_string();
    let name = name.trim_start_matches("r#");
    quote_spanned!(ty.span()=> #start.hook::<#ty>(#name, #this.#member);)
}

/// That the listed types are aggregates, as bounds: under these, an impl is right even if one is not. So rustc reports it
/// once, at the type.
pub(super) fn known(model: &Application<'_>) -> Vec<TokenStream> {
    let krate = &model.syntax.krate;
    let bound = |aggregate: &Member<'_>| {
        let path = aggregate.path;
        let krate = at(krate, path.span());
        quote_spanned!(path.span()=> for<'__a> #path: #krate::Aggregate)
    };
    model.aggregates.iter().map(bound).collect()
}

/// The aggregates whose services no field gives.
fn alone<'m>(model: &'m Application<'_>) -> impl Iterator<Item = &'m Path> {
    model.aggregates.iter().filter(|aggregate| aggregate.services.is_none()).map(|aggregate| aggregate.path)
}

/// What the trait says of an aggregate, at the place of the listed type.
pub(super) fn of_aggregate(krate: &Path, path: &Path, item: &str) -> TokenStream {
    let (krate, item) = (at(krate, path.span()), Ident::new(item, path.span()));
    quote_spanned!(path.span()=> <#path as #krate::Aggregate>::#item)
}

/// The aggregates that the application has.
fn has(model: &Application<'_>) -> TokenStream {
    let Application { syntax, aggregates, .. } = model;
    let ApplicationSyntax { input, krate, command_enum, .. } = syntax;
    let (ident, command_enum) = (&input.ident, &command_enum.ident);
    let paths: Vec<_> = aggregates.iter().map(|aggregate| aggregate.path).collect();
    let variants = aggregates.iter().map(|aggregate| &aggregate.variant);
    let indices = (0..paths.len()).map(Literal::usize_unsuffixed);
    let known = known(model);
    let each_known = quote!(where #(#known,)*);
    quote! {
        #(
            #[automatically_derived]
            impl #krate::application::Has<#paths> for #ident
            #each_known
            {
                const REFUSALS: #krate::application::Refusals<<#paths as #krate::Aggregate>::Error> = {
                    #[allow(unused_imports)]
                    use #krate::application::ShowsNothing as _;
                    #krate::application::Refusals {
                        text: #krate::application::ShownRefusal::<<#paths as #krate::Aggregate>::Error>::FACTUM_TEXT,
                        json: #krate::application::ShownRefusal::<<#paths as #krate::Aggregate>::Error>::FACTUM_JSON,
                    }
                };

                #[inline]
                fn repository<__S: #krate::store::EventStore + ::core::clone::Clone + 'static>(
                    __all: &Self::Aggregates<__S>,
                ) -> &#krate::Repository<#paths, __S> {
                    &__all.#indices
                }

                fn into_any(__command: <#paths as #krate::Aggregate>::Command) -> #command_enum {
                    #command_enum::#variants(__command)
                }
            }
        )*
    }
}

/// What a follower follows. The path is all that is asked of the type, so that one mistake is one error.
fn what_it_follows(krate: &Path, follower: &Follower<'_>) -> TokenStream {
    let ty = follower.field.ty;
    let as_follower = match follower.kind {
        Kind::View => quote!(AsView),
        Kind::Reaction => quote!(AsReaction),
        Kind::Process => quote!(AsProcess),
    };
    quote!(<#ty as #krate::follow::#as_follower>::FOLLOWED)
}

/// The trait of stores that can run a follower.
fn runs(krate: &Path, follower: &Follower<'_>) -> TokenStream {
    let ty = follower.field.ty;
    let how = match (follower.kind, follower.is_inline, follower.workers) {
        (Kind::View, true, _) => "ViewInAppends",
        (Kind::View, false, None) => "BackgroundView",
        (Kind::View, false, Some(_)) => "SharedView",
        (Kind::Reaction, _, None) => "BackgroundReaction",
        (Kind::Reaction, _, Some(_)) => "SharedReaction",
        (Kind::Process, ..) => return quote!(#krate::follow::RunsProcess<#ty>),
    };
    let how = Ident::new(how, Span::mixed_site());
    quote!(#krate::follow::RunsAs<#krate::follow::#how, #ty>)
}

/// The statement that starts a follower.
fn start(krate: &Path, follower: &Follower<'_>) -> TokenStream {
    let Follower { field, kind, workers, senders, retry, delay, letters, store, .. } = follower;
    let member = &field.member;
    let (runs, followed_events) = (runs(krate, follower), what_it_follows(krate, follower));
    let (store_type, store) = match store {
        Some(PartSyntax { member, ty, .. }) => (ty.to_token_stream(), quote!(&self.#member)),
        None => (quote!(__S), quote!(&__events)),
    };
    let workers = workers.map(|workers| quote!(.workers(#workers)));
    let retry = retry.map(|retry| quote!(.retry(#retry)));
    let delay = delay.map(|delay| quote!(.delay(#delay)));
    let letters = match letters {
        Letters::None => None,
        Letters::Any => Some(quote!(.on_failure(#krate::follow::OnFailure::DeadLetter))),
        Letters::Sequenced => Some(quote!(.on_failure(#krate::follow::OnFailure::SequencedDeadLetter))),
    };
    let senders = senders.map(|senders| quote!(.senders(#senders)));
    if *kind == Kind::Process {
        return quote! {
            let __options = __start.options() #senders #retry #delay;
            let __started = <#store_type as #runs>::start(#store, __start.commands(), __start.clock(), self.#member, &__options);
            __start.add(#followed_events, __started)?;
        };
    }
    quote! {
        let __options = __start.options() #workers #retry #delay #letters;
        let __started = <#store_type as #runs>::start(#store, &__events, self.#member, &__options, &__start.routes());
        __start.add(#followed_events, __started)?;
    }
}

/// What rustc alone knows of the parts: their names, commands and events.
fn checks(model: &Application<'_>) -> TokenStream {
    let Application { syntax, aggregates, followers, schedules, .. } = model;
    let ident = &syntax.input.ident;
    let krate = &syntax.krate;
    let support = quote!(#krate::macro_support);
    let paths: Vec<_> = aggregates.iter().map(|aggregate| aggregate.path).collect();
    let shown: Vec<_> = paths.iter().map(|path| enums::shown(path)).collect();
    let models = paths.iter().map(|path| of_aggregate(krate, path, "MODEL"));
    let (members, repeated, all) = (quote!(__MEMBERS), quote!(__REPEATED), quote!(__followers));
    let routes = routes(model, &repeated);
    // The caret begins at the parentheses. At `#krate` it would have no place in the source.
    let of_aggregates = paths.iter().enumerate().map(|(index, path)| {
        let index = Literal::usize_unsuffixed(index);
        let readable = syntax
            .takes_names
            .then(|| quote_spanned!(path.span()=> (#support::assert_readable)(&#members[#index]);));
        quote_spanned! {path.span()=>
            (#support::assert_new_aggregate)(#members, #index);
            (#support::assert_own_commands)(#members, #repeated, #index);
            #readable
        }
    });
    let of_alone = alone(model)
        .map(|path| quote_spanned!(path.span()=> (#krate::application::decides_alone::<#path>)();));
    let followed = followers.iter().map(|follower| what_it_follows(krate, follower));
    let of_followers = followers.iter().enumerate().map(|(index, follower)| {
        let (ty, index) = (follower.field.ty, Literal::usize_unsuffixed(index));
        let shown = shown_type(ty);
        let is_shared = follower.workers.map(|_| quote_spanned!(ty.span()=> (#support::is_shared::<#ty>)();));
        quote_spanned! {ty.span()=>
            #is_shared
            (#support::assert_new_follower)(#all, #index, #shown);
            (#support::assert_followed)(#members, &#all[#index], #shown);
        }
    });
    let of_schedules = schedules.iter().map(|path| {
        let shown = enums::shown(path);
        quote_spanned! {path.span()=>
            (#support::assert_scheduled)(
                #members, <#ident as #krate::application::Schedules<#path>>::CODEC.name, #shown
            );
        }
    });
    quote! {
        const _: () = {
            const #members: &[#support::Member] = &[#(#support::Member::of(#shown, &#models)),*];
            const #repeated: (usize, usize) = #support::repeated_command(#members);
            #routes
            let __followers: &[#krate::follow::Followed] = &[#(#followed),*];
            #(#of_alone)*
            #(#of_aggregates)*
            #(#of_followers)*
            #(#of_schedules)*
        };
    }
}

/// Which aggregate gets a command. If the list is refused, as two of them take one, its commands go to the first of these.
fn routes(model: &Application<'_>, repeated: &TokenStream) -> TokenStream {
    let Application { syntax: ApplicationSyntax { input, krate, .. }, aggregates, .. } = model;
    let (ident, known) = (&input.ident, known(model));
    let impls = aggregates.iter().enumerate().map(|(index, aggregate)| {
        let path = aggregate.path;
        let are_own = (index > 0).then(|| {
            let index = Literal::usize_unsuffixed(index);
            quote!(for<'__a> #krate::application::OwnCommands<'__a, { #repeated.0 != #index }>: #krate::application::AreOwn,)
        });
        quote! {
            #[automatically_derived]
            impl<__C> #krate::application::Routes<__C, #path> for #ident
            where
                #(#known,)*
                __C: #krate::CommandFor<#path>,
                #are_own
            {
                fn route(__command: __C) -> <#path as #krate::Aggregate>::Command {
                    ::core::convert::Into::into(__command)
                }
            }
        }
    });
    impls.collect()
}

/// A type as it is written.
fn shown_type(ty: &Type) -> String {
    quote!(#ty).to_string().replace(' ', "")
}

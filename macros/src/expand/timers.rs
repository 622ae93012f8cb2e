//! The timers of an application: the commands that they send, and how they start.

use proc_macro2::{Ident, TokenStream};
use syn::Path;

/// The parts of an application's impls that concern its timers. All are empty if it has none.
#[derive(Default)]
pub(super) struct Timers {
    pub(super) impls: TokenStream,
    /// What the store of the events has to be.
    pub(super) bound: TokenStream,
    pub(super) started: TokenStream,
    /// What is added to the model.
    pub(super) modelled: TokenStream,
}

impl Timers {
    pub(super) fn new(krate: &Path, ident: &Ident, schedules: &[&Path], each_known: &TokenStream) -> Self {
        if schedules.is_empty() {
            return Self::default();
        }
        Self {
            impls: impls(krate, ident, schedules, each_known),
            bound: quote!(__S: #krate::application::KeepsTimers,),
            started: quote! {
                let __started = <__S as #krate::application::KeepsTimers>::run_timers(
                    &__events,
                    __start.commands(),
                    __start.clock(),
                    <Self as #krate::application::HasTimers>::SCHEDULED,
                );
                __start.add_timers(__started)?;
            },
            modelled: quote!(.with_schedules(&[#(<Self as #krate::application::Schedules<#schedules>>::CODEC.name),*])),
        }
    }
}

/// The commands that timers of the application send.
fn impls(krate: &Path, ident: &Ident, schedules: &[&Path], each_known: &TokenStream) -> TokenStream {
    quote! {
        #(
            #[automatically_derived]
            impl #krate::application::Schedules<#schedules> for #ident
            #each_known
            {
                const CODEC: #krate::follow::CommandCodec<#schedules> = {
                    #[allow(unused_imports)]
                    use #krate::macro_support::NotVersioned as _;
                    #krate::macro_support::command_codec::<#schedules>(
                        #krate::macro_support::Versioned::<#schedules>::FACTUM_CODEC,
                    )
                };
            }
        )*

        #[automatically_derived]
        impl #krate::application::HasTimers for #ident
        #each_known
        {
            const SCHEDULED: &'static [#krate::follow::ScheduledCommand] = {
                #[allow(unused_imports)]
                use #krate::macro_support::NotVersioned as _;
                &[#(#krate::application::scheduled::<Self, #schedules>(
                    #krate::macro_support::Versioned::<#schedules>::FACTUM_SHAPES,
                )),*]
            };
        }
    }
}

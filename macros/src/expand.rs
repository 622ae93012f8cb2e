//! Checked models as code, one file for each thing that is generated.
//!
//! Generated code uses absolute paths, so that nothing in the user's scope can get in the way. Tokens that the user wrote
//! keep their spans: an error about a type listed in an attribute has its caret there.

/// `quote::quote!` with names of variables that neither use nor shadow the user's own.
macro_rules! quote {
    ($($tokens:tt)*) => {
        ::quote::quote_spanned!(::proc_macro2::Span::mixed_site()=> $($tokens)*)
    };
}

mod aggregate;
mod application;
mod application_command;
mod command;
mod docs;
mod enums;
mod event;
mod follower_checks;
mod handlers;
mod id;
mod lock;
mod process;
mod projection;
mod schema;
mod snapshot;
mod structure;
pub(crate) mod stub;
mod timers;
mod upcast;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{DeriveInput, Path, Type};

use crate::syntax::allowed_lints;

pub(crate) use self::aggregate::aggregate;
pub(crate) use self::application::application;
pub(crate) use self::command::command;
pub(crate) use self::event::{event, timeout};
pub(crate) use self::handlers::handlers;
pub(crate) use self::id::aggregate_id;
pub(crate) use self::projection::projection;
pub(crate) use self::schema::event_schema;

/// Generated items under the lints that the item allows.
fn allowing(allowed: &TokenStream, items: TokenStream) -> TokenStream {
    if allowed.is_empty() { items } else { quote!(#allowed const _: () = { #items };) }
}

/// A path at another place, where it means what it meant.
fn at(path: &Path, place: Span) -> TokenStream {
    let moved = |mut token: TokenTree| {
        token.set_span(place.resolved_at(token.span()));
        token
    };
    path.to_token_stream().into_iter().map(moved).collect()
}

/// A type for the place after `&`, and before `as`: `dyn A + B` stands in parentheses there.
fn operand(ty: &Type) -> TokenStream {
    if let Type::TraitObject(_) = ty { quote!((#ty)) } else { quote!(#ty) }
}

/// What is generated for `input`, under the lints that it allows.
fn beside(input: &DeriveInput, items: TokenStream) -> TokenStream {
    allowing(&allowed_lints(&input.attrs), items)
}

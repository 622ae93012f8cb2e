//! The `impl` block as it is, and one trait impl for each marked method.
//!
//! The methods of these impls are inline: each has one caller, or a few. rustc would otherwise compile each by itself as
//! well, called or not, which makes release builds slower.

mod apply;
mod execute;
mod follow;
mod output;
mod refused;
mod upcast;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::{Ident, Path, Type};

use super::{allowing, at, stub};
use crate::markers::HandlerTrait;
use crate::rules::{Handler, Handlers};
use crate::syntax::{HandlersSyntax, ImplBlock, allowed_lints};

pub(crate) fn handlers(model: &Handlers<'_>) -> TokenStream {
    let HandlersSyntax { krate, block, .. } = model.syntax;
    let item = unmarked(block);
    let error_types = execute::error_types(model);
    let impls = model.methods.iter().map(|handler| {
        let self_ty = &block.self_ty;
        let made = match handler.implements {
            HandlerTrait::Execute => execute::execute(krate, self_ty, handler, &error_types),
            HandlerTrait::Apply => apply::apply(krate, self_ty, handler),
            HandlerTrait::Upcast => upcast::upcast(krate, self_ty, handler),
            HandlerTrait::Project => follow::project(krate, self_ty, handler),
            HandlerTrait::React => follow::react(krate, self_ty, handler),
            HandlerTrait::Refused => refused::refused(krate, self_ty, handler),
        };
        let allowed = &handler.method.allowed;
        if allowed.is_empty() { made } else { quote!(#allowed #made) }
    });
    let impls: TokenStream = impls.collect();
    let decides = |handler: &Handler<'_>| matches!(handler.implements, HandlerTrait::Execute);
    // Once for all of them: an import in each constant would cost rustc more than the constant.
    let impls = if model.methods.iter().any(decides) {
        quote! {
            const _: () = {
                #[allow(unused_imports)]
                use #krate::macro_support::NotEvents as _;
                #impls
            };
        }
    } else {
        impls
    };
    let impls = allowing(&allowed_lints(block.attributes.iter().chain(&block.inner_attributes)), impls);
    quote! {
        #item
        #impls
    }
}

/// The block without its markers.
fn unmarked(block: &ImplBlock) -> TokenStream {
    let ImplBlock { attributes, unsafety, keyword, generics, of_trait, self_ty, body, body_span, .. } = block;
    // One attribute on the block costs rustc less than one on each method.
    let (on_block, on_method) =
        if block.is_each_method_marked { (Some(allowed()), TokenStream::new()) } else { (None, allowed()) };
    let on_method: Vec<TokenTree> = on_method.into_iter().collect();
    let body = body.join(on_method.as_slice()).into_iter().collect();
    let mut body = Group::new(Delimiter::Brace, body);
    body.set_span(*body_span);
    let of_trait = of_trait.as_ref().map(|of_trait| quote!(#of_trait for));
    let where_clause = &generics.where_clause;
    quote!(#on_block #(#attributes)* #unsafety #keyword #generics #of_trait #self_ty #where_clause #body)
}

/// Silences advice of clippy that a handler can't follow, since its marker decides on its signature.
fn allowed() -> TokenStream {
    quote! {
        #[allow(
            clippy::missing_const_for_fn,
            clippy::needless_pass_by_ref_mut,
            clippy::needless_pass_by_value,
            clippy::trivially_copy_pass_by_ref,
            clippy::unnecessary_wraps,
            clippy::unused_self
        )]
    }
}

/// The command or event of a handler. If that is unknown, no impl is missing any more.
fn handled(krate: &Path, handler: &Handler<'_>) -> TokenStream {
    handler.handled.map_or_else(|| stub::unknown(krate), |handled| quote!(#handled))
}

/// One of our own names, placed where the argument is that it is passed as: an error about the type has its caret there.
fn named_at(argument: &Type, name: &str) -> Ident {
    Ident::new(name, output::placed_at(argument))
}

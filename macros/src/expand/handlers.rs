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

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use syn::{Ident, Path, Type};

use super::{allowing, at, stub};
use crate::markers::HandlerTrait;
use crate::rules::{Handler, Handlers};
use crate::syntax::{HandlersSyntax, ImplBlock, MethodSyntax, allowed_lints};

pub(crate) fn handlers(model: &Handlers<'_>) -> TokenStream {
    let HandlersSyntax { krate, block, .. } = model.syntax;
    let item = unmarked(block, !model.syntax.methods.is_empty());
    if !model.is_inherent {
        let impls = stub::any_handler(krate, &block.self_ty);
        return quote!(#item #impls);
    }
    let error_types = execute::error_types(model);
    let (mut executes, mut applies) = (TokenStream::new(), TokenStream::new());
    let mut impls = TokenStream::new();
    for handler in &model.methods {
        let MethodSyntax { allowed, cfgs, .. } = handler.method;
        let attributes = quote!(#(#cfgs)* #allowed);
        let self_ty = &self_at(handler);
        let made = match handler.implements {
            HandlerTrait::Execute => {
                executes.extend(execute::execute(krate, self_ty, handler, &attributes, &error_types));
                continue;
            }
            HandlerTrait::Apply => {
                applies.extend(apply::apply(krate, self_ty, handler, &attributes));
                continue;
            }
            HandlerTrait::Upcast => upcast::upcast(krate, self_ty, handler),
            HandlerTrait::Project => follow::project(krate, self_ty, handler),
            HandlerTrait::React => follow::react(krate, self_ty, handler),
            HandlerTrait::Refused => refused::refused(krate, self_ty, handler),
        };
        impls.extend(if allowed.is_empty() { made } else { quote!(#allowed #made) });
    }
    if !executes.is_empty() {
        impls.extend(quote!(#krate::macro_support::execute! { self __command: #executes }));
    }
    if !applies.is_empty() {
        impls.extend(quote!(#krate::macro_support::apply! { #applies }));
    }
    if !impls.is_empty() {
        let self_ty = &block.self_ty;
        impls = quote! {
            const _: () = {
                type __Self = #self_ty;
                #impls
            };
        };
    }
    let impls = allowing(&allowed_lints(block.attributes.iter().chain(&block.inner_attributes)), impls);
    quote! {
        #item
        #impls
    }
}

/// The block without its markers.
fn unmarked(block: &ImplBlock, has_marked: bool) -> TokenStream {
    let ImplBlock { attributes, unsafety, keyword, generics, of_trait, self_ty, body, body_span, .. } = block;
    // One attribute on the block costs rustc less than one on each method.
    let (on_block, on_method) =
        if block.is_each_method_marked { (Some(allowed()), TokenStream::new()) } else { (None, allowed()) };
    let on_method: Vec<TokenTree> = on_method.into_iter().collect();
    let body = body.join(on_method.as_slice()).into_iter().collect();
    let mut body = Group::new(Delimiter::Brace, body);
    body.set_span(*body_span);
    // With marked methods, the block was meant to be one of the type itself.
    let of_trait = of_trait.as_ref().filter(|_| !has_marked).map(|of_trait| quote!(#of_trait for));
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

/// The type of the block, placed where the handler has its command or event: there, rustc reports one that is not listed.
/// It is an alias, so that what is wrong with the type itself is one error.
fn self_at(handler: &Handler<'_>) -> Ident {
    let place = handler.handled.map_or_else(Span::mixed_site, output::placed_at);
    Ident::new("__Self", place)
}

/// One of our own names, placed where the argument is that it is passed as: an error about the type has its caret there.
fn named_at(argument: &Type, name: &str) -> Ident {
    Ident::new(name, output::placed_at(argument))
}

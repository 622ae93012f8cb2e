//! `impl Project<E>` for a `#[project]` method, and `impl React<E>` for a `#[react]` method.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens as _, quote_spanned};
use syn::{GenericArgument, Ident, Path, PathArguments, Type};

use super::output::{inferred_at, is_opaque, placed_at};
use super::{at, handled, named_at};
use crate::rules::Handler;
use crate::syntax::{MethodSyntax, type_name, ungrouped};

pub(super) fn project(krate: &Path, self_ty: &Ident, handler: &Handler<'_>) -> TokenStream {
    let (cfgs, event) = (&handler.method.cfgs, handled(krate, handler));
    let Call { envelope, context, wants_metadata, tokens: call } =
        Call::new(krate, self_ty, handler, &quote!(context));
    let body = match &handler.method.output {
        Some(output) if handler.is_valid && !matches!(output, Type::Never(_)) => {
            let result = repeated(output);
            quote!(#krate::macro_support::projected::<#result>(#call))
        }
        _ => done(handler, &call, &quote!(())),
    };
    quote! {
        #(#cfgs)*
        #[automatically_derived]
        impl #krate::follow::Project<#event> for #self_ty {
            const WANTS_METADATA: bool = #wants_metadata;

            #[inline]
            fn project(
                &mut self,
                __event: &#event,
                #envelope: &#krate::Envelope<'_>,
                #context: &#krate::follow::Context<'_, Self>,
            ) -> ::core::result::Result<(), #krate::BoxError> {
                #body
            }
        }
    }
}

pub(super) fn react(krate: &Path, self_ty: &Ident, handler: &Handler<'_>) -> TokenStream {
    let (cfgs, event) = (&handler.method.cfgs, handled(krate, handler));
    let Call { envelope, context, wants_metadata, tokens: call } =
        Call::new(krate, self_ty, handler, &quote!(lent));
    let call = awaited(krate, handler, call);
    let awaits = handler.method.asyncness.map(|_| {
        quote!(
            const AWAITS: bool = true;
        )
    });
    let (sends, body) = (sends(krate, handler), reacted(krate, handler, &call));
    quote! {
        #(#cfgs)*
        #[automatically_derived]
        impl #krate::follow::React<#event> for #self_ty {
            const WANTS_ENVELOPE: bool = #wants_metadata;
            #awaits
            #sends

            #[inline]
            fn react(
                &mut self,
                __event: &#event,
                #envelope: &#krate::Envelope<'_>,
                #context: &#krate::follow::ReactContext<Self>,
            ) -> ::core::result::Result<#krate::follow::Outcome<Self>, #krate::BoxError> {
                #body
            }
        }
    }
}

/// The call of a method, which waits for the result of an `async` one.
fn awaited(krate: &Path, handler: &Handler<'_>, call: TokenStream) -> TokenStream {
    let Some(asyncness) = handler.method.asyncness else { return call };
    let span = asyncness.span.resolved_at(Span::mixed_site());
    // An error about the follower has its caret at `async`.
    let krate = at(krate, asyncness.span);
    let wait = quote_spanned!(span=> #krate::macro_support::awaited::<Self, _>);
    quote!(#wait(#call)?)
}

/// The commands that a `#[react]` or `#[refused]` method may return, if its return type says so.
pub(super) fn sends(krate: &Path, handler: &Handler<'_>) -> Option<TokenStream> {
    let output = handler
        .method
        .output
        .as_ref()
        .filter(|output| handler.is_valid && !is_opaque(output) && !matches!(output, Type::Never(_)))?;
    Some(quote! {
        const SENDS: #krate::macro_support::Emitted = {
            #[allow(unused_imports)]
            use #krate::macro_support::SendsNothing as _;
            #krate::macro_support::SendsOf::<Self, #output>::FACTUM_SENDS
        };
    })
}

/// The result of a `#[react]` or `#[refused]` method.
pub(super) fn reacted(krate: &Path, handler: &Handler<'_>, call: &TokenStream) -> TokenStream {
    match &handler.method.output {
        Some(output) if handler.is_valid && !matches!(output, Type::Never(_)) => {
            let result = repeated(output);
            quote!(#krate::macro_support::reacted::<Self, #result>(#call))
        }
        _ => done(handler, call, &quote!(::core::default::Default::default())),
    }
}

/// The body for a method that returns nothing, or never.
fn done(handler: &Handler<'_>, call: &TokenStream, value: &TokenStream) -> TokenStream {
    match handler.method.output {
        _ if !handler.is_valid => quote!(::core::unreachable!()),
        Some(_) => call.clone(),
        None => quote! {
            #call;
            ::core::result::Result::Ok(#value)
        },
    }
}

/// A return type as generated code repeats it.
fn repeated(output: &Type) -> TokenStream {
    if is_opaque(output) {
        let inferred = inferred_at(output);
        quote!(#inferred)
    } else {
        quote!(#output)
    }
}

/// The call of a method that follows events.
struct Call {
    /// The patterns of the trait's arguments: a name, if the call passes it on, or `_`.
    envelope: TokenStream,
    context: TokenStream,
    wants_metadata: bool,
    tokens: TokenStream,
}

impl Call {
    /// `lend` is the function that lends the context. Whether a type is another part of it, rustc finds out.
    fn new(krate: &Path, self_ty: &Ident, handler: &Handler<'_>, lend: &TokenStream) -> Self {
        let MethodSyntax { name, arguments, .. } = handler.method;
        let event = handled(krate, handler);
        // A constant in the place of a parameter names no `Self`.
        let sources = quote!({
            #[allow(unused_imports)]
            use #krate::macro_support::Unlisted as _;
            #krate::macro_support::sources::<#self_ty>(#krate::macro_support::Place::<#self_ty, #event>::INDEX)
        });
        let (mut envelope, mut context) = (quote!(_), quote!(_));
        let mut wants_metadata = false;
        let mut pass = TokenStream::new();
        for argument in arguments.iter().skip(1).map(ungrouped) {
            if is_envelope(argument) {
                wants_metadata = true;
                envelope = quote!(__envelope);
                let passed = named_at(argument, "__envelope");
                pass.extend(quote!(, #passed));
            } else if is_text(argument) {
                envelope = quote!(__envelope);
                let passed = named_at(argument, "__envelope");
                pass.extend(quote!(, #passed.key));
            } else if let Type::Reference(reference) = argument {
                context = quote!(__context);
                let passed = named_at(argument, "__context");
                let (beside, span) = (elided(reference.elem.to_token_stream()), placed_at(argument));
                if reference.mutability.is_some() {
                    pass.extend(
                        quote_spanned!(span=> , &mut *#krate::macro_support::context_mut::<Self, #beside>(#passed)),
                    );
                } else if is_any_context(argument) {
                    pass.extend(
                        quote_spanned!(span=> , #krate::macro_support::#lend::<Self, #beside>(#passed)),
                    );
                } else {
                    envelope = quote!(__envelope);
                    pass.extend(quote_spanned!(span=> , &*#krate::macro_support::beside::<Self, #event, _, #beside, _, _, #sources>(#passed, __envelope)?));
                }
            } else if !is_opaque(argument) {
                envelope = quote!(__envelope);
                let span = placed_at(argument);
                pass.extend(
                    quote_spanned!(span=> , #krate::macro_support::id::<Self, #event, #argument, _, #sources>(__envelope)?),
                );
            }
        }
        let call = quote!(Self::#name(self, __event #pass));
        Self { envelope, context, wants_metadata, tokens: call }
    }
}

/// A type whose lifetimes are elided: those of the method have no names in its impl.
fn elided(ty: TokenStream) -> TokenStream {
    let mut is_lifetime = false;
    let trees = ty.into_iter().map(|tree| {
        let after_quote = std::mem::replace(&mut is_lifetime, is_quote(&tree));
        match tree {
            TokenTree::Ident(name) if after_quote && name != "static" => Ident::new("_", name.span()).into(),
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), elided(group.stream()));
                inner.set_span(group.span());
                inner.into()
            }
            tree => tree,
        }
    });
    trees.collect()
}

fn is_quote(tree: &TokenTree) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == '\'')
}

/// Whether a type has the name of one that some follower works with, or is no id, since it has no name. An id has another
/// name, and so may an alias of the context.
fn is_any_context(ty: &Type) -> bool {
    let is_one = |name: &Ident| {
        ["Transaction", "ViewTransaction", "Connection", "Delivery"].iter().any(|context| name == context)
    };
    type_name(ty).is_none_or(is_one) && !has_arguments(ty)
}

/// Whether a type is one with arguments, as `&Delivery<Self>`. A lifetime is none.
fn has_arguments(ty: &Type) -> bool {
    let Type::Reference(reference) = ty else { return false };
    let Type::Path(path) = &*reference.elem else { return false };
    path.path.segments.last().is_some_and(|last| match &last.arguments {
        PathArguments::AngleBracketed(arguments) => {
            arguments.args.iter().any(|argument| matches!(argument, GenericArgument::Type(_)))
        }
        _ => false,
    })
}

/// Whether a type is `&str`, which asks for the key of the stream.
fn is_text(ty: &Type) -> bool {
    let Type::Reference(reference) = ty else { return false };
    matches!(&*reference.elem, Type::Path(path) if path.qself.is_none() && path.path.is_ident("str"))
}

/// Whether a type is `&Envelope<'_>`. A macro sees only the name of a type.
fn is_envelope(ty: &Type) -> bool {
    let Type::Reference(reference) = ty else { return false };
    let Type::Path(path) = &*reference.elem else { return false };
    path.path.segments.last().is_some_and(|last| last.ident == "Envelope")
}

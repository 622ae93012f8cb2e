//! The `impl` block as it is, and one trait impl for each marked method. The methods of these are inline: each is called from one
//! place, or a few, and would otherwise be compiled by itself as well, called or not, which a release build notices.

use proc_macro2::{Span, TokenStream};
use syn::spanned::Spanned as _;
use syn::{GenericArgument, Ident, Path, PathArguments, Type};

use crate::model::{Handler, Handlers, Marker};

pub(crate) fn handlers(model: &Handlers) -> TokenStream {
    let Handlers { krate, self_ty, item, methods } = model;
    let impls = methods.iter().map(|method| match method.marker {
        Marker::Execute => execute(krate, self_ty, method),
        Marker::Apply => apply(krate, self_ty, method),
        Marker::Project | Marker::React => follow(krate, self_ty, method),
        Marker::Upcast => upcast(krate, self_ty, method),
    });
    quote! {
        #item
        #(#impls)*
    }
}

/// One of our own names, placed where the argument is that it is passed as: if the type is wrong, the caret is there.
fn at(argument: &Type, name: &str) -> Ident {
    Ident::new(name, argument.span().resolved_at(Span::mixed_site()))
}

fn execute(krate: &Path, self_ty: &Type, method: &Handler) -> TokenStream {
    let Handler { cfgs, name, arguments, output, wrong, .. } = method;
    let command = method.handles();
    let (services, pass_services) = match arguments.get(1) {
        None => (quote!(_), None),
        Some(argument) => {
            let passed = at(argument, "services");
            (quote!(services), Some(quote!(, #passed)))
        }
    };
    let call = quote!(Self::#name(self, command #pass_services));
    let body = if *wrong { quote!(::core::unreachable!()) } else { decided(krate, output.as_ref(), &call) };
    quote! {
        #(#cfgs)*
        #[automatically_derived]
        impl #krate::Execute<#command> for #self_ty {
            #[inline]
            fn execute(
                &self,
                command: #command,
                #services: &#krate::private::Services<Self>,
            ) -> #krate::private::Execution<Self> {
                #body
            }
        }
    }
}

/// What the handler returns, as `execute` does. Its types stand here once more, so that an error about them has its
/// caret where they are written.
fn decided(krate: &Path, output: Option<&Type>, call: &TokenStream) -> TokenStream {
    let Some(output) = output else {
        return quote! {
            #call;
            ::core::result::Result::Ok(::std::vec::Vec::new())
        };
    };
    if is_opaque(output) {
        return quote!(#krate::private::decided::<Self, _, _>(#call));
    }
    match result_parts(output) {
        Some((Some(events), Some(error))) => {
            quote!(#krate::private::fallible::<Self, #events, #error>(#call))
        }
        Some(_) => quote!(#krate::private::fallible::<Self, _, _>(#call)),
        None if is_plain(output) => quote!(#krate::private::infallible::<Self, #output>(#call)),
        None => quote!(#krate::private::decided::<Self, #output, _>(#call)),
    }
}

/// A type that is certainly not a `Result` by another name.
fn is_plain(output: &Type) -> bool {
    match output {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|last| ["Option", "Vec", "Events"].iter().any(|plain| last.ident == plain)),
        Type::Tuple(_) | Type::Array(_) => true,
        _ => false,
    }
}

/// The two types in `Result<T, E>`, each if it can be written again; `None` if it is something else.
fn result_parts(output: &Type) -> Option<(Option<&Type>, Option<&Type>)> {
    let Type::Path(path) = output else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Result")?;
    // An event may be called `Result`; an alias of that name has arguments, or none and is looked into by rustc.
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    let mut types = arguments.args.iter().map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty).filter(|ty| !is_opaque(ty)),
        _ => None,
    });
    Some((types.next().flatten(), types.next().flatten()))
}

/// `impl Trait` can't be named a second time.
fn is_opaque(ty: &Type) -> bool {
    quote!(#ty).to_string().split(' ').any(|word| word == "impl")
}

fn apply(krate: &Path, self_ty: &Type, method: &Handler) -> TokenStream {
    let Handler { cfgs, name, wrong, .. } = method;
    let event = method.handles();
    let body = if *wrong { quote!(::core::unreachable!()) } else { quote!(Self::#name(self, event)) };
    quote! {
        #(#cfgs)*
        #[automatically_derived]
        impl #krate::Apply<#event> for #self_ty {
            #[inline]
            fn apply(&mut self, event: &#event) {
                #body;
            }
        }
    }
}

fn follow(krate: &Path, self_ty: &Type, method: &Handler) -> TokenStream {
    let Handler { marker, cfgs, name, arguments, output, wrong, .. } = method;
    let event = method.handles();
    let mut pass = TokenStream::new();
    let (mut envelope, mut writer) = (quote!(_), quote!(_));
    let mut metadata = false;
    for argument in arguments.iter().skip(1) {
        if is_envelope(argument) {
            metadata = true;
            envelope = quote!(envelope);
            let passed = at(argument, "envelope");
            pass.extend(quote!(, #passed));
        } else if is_text(argument) {
            envelope = quote!(envelope);
            let passed = at(argument, "envelope");
            pass.extend(quote!(, #passed.key));
        } else {
            writer = quote!(writer);
            let passed = at(argument, "writer");
            pass.extend(match argument {
                Type::Reference(reference) if *marker == Marker::Project => {
                    let written_with = &reference.elem;
                    quote!(, #krate::private::writer::<Self, #written_with>(#passed))
                }
                _ => quote!(, #passed),
            });
        }
    }
    let call = quote!(Self::#name(self, event #pass));
    let body = match output {
        _ if *wrong => quote!(::core::unreachable!()),
        None => quote! {
            #call;
            ::core::result::Result::Ok(())
        },
        Some(output) if !is_opaque(output) => quote!(#krate::private::projected::<#output>(#call)),
        Some(_) => quote!(#krate::private::projected(#call)),
    };
    if *marker == Marker::React {
        return quote! {
            #(#cfgs)*
            #[automatically_derived]
            impl #krate::React<#event> for #self_ty {
                #[inline]
                fn react(
                    &mut self,
                    event: &#event,
                    #envelope: &#krate::Envelope<'_>,
                    #writer: &#krate::Delivery,
                ) -> ::core::result::Result<(), #krate::BoxError> {
                    #body
                }
            }
        };
    }
    quote! {
        #(#cfgs)*
        #[automatically_derived]
        impl #krate::Project<#event> for #self_ty {
            const ENVELOPE: bool = #metadata;

            #[inline]
            fn project(
                &mut self,
                event: &#event,
                #envelope: &#krate::Envelope<'_>,
                #writer: &#krate::Writer<'_, Self>,
            ) -> ::core::result::Result<(), #krate::BoxError> {
                #body
            }
        }
    }
}

fn upcast(krate: &Path, self_ty: &Type, method: &Handler) -> TokenStream {
    let Handler { cfgs, name, output, wrong, .. } = method;
    let event = method.handles();
    let call = quote!(Self::#name(event));
    let body = match output.as_ref() {
        _ if *wrong => quote!(::core::unreachable!()),
        Some(output) if result_parts(output).is_some() => {
            quote!(#krate::private::upcast_fallible::<Self, _, _>(#call))
        }
        Some(output) if !is_opaque(output) => {
            quote!(::core::result::Result::Ok(#krate::private::upcast::<Self, #output>(#call)))
        }
        _ => quote!(::core::result::Result::Ok(#krate::private::upcast::<Self, _>(#call))),
    };
    quote! {
        #(#cfgs)*
        #[automatically_derived]
        impl #krate::Upcast<#event> for #self_ty {
            #[inline]
            fn upcast(
                event: #event,
            ) -> ::core::result::Result<
                ::std::vec::Vec<<Self as #krate::Aggregate>::Event>,
                #krate::BoxError,
            > {
                #body
            }
        }
    }
}

/// `&str`: the key of the stream.
fn is_text(ty: &Type) -> bool {
    let Type::Reference(reference) = ty else { return false };
    matches!(&*reference.elem, Type::Path(path) if path.qself.is_none() && path.path.is_ident("str"))
}

/// `&Envelope<'_>`, by its name: a macro sees no more of a type.
fn is_envelope(ty: &Type) -> bool {
    let Type::Reference(reference) = ty else { return false };
    let Type::Path(path) = &*reference.elem else { return false };
    path.path.segments.last().is_some_and(|last| last.ident == "Envelope")
}

//! `impl Command` for a struct.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens as _, quote_spanned};
use syn::Member;
use syn::spanned::Spanned as _;

use super::{beside, schema};
use crate::lock::{FNV_OFFSET, hashed};
use crate::names::kebab;
use crate::rules::{Command, IdSource};
use crate::syntax::{CommandSyntax, type_text};

pub(crate) fn command(command: &Command<'_>) -> TokenStream {
    let validate = validate(command.syntax);
    let CommandSyntax { input, krate, name, is_internal, fields, .. } = command.syntax;
    let ident = &input.ident;
    // An idempotency key knows the command by its struct or, once that is renamed, by its name.
    let (marked, name_text) = (ident.to_string(), name.value());
    let marked = if name_text == kebab(&marked) { marked.trim_start_matches("r#") } else { &name_text };
    let fields = fields.iter().map(|field| {
        let member = field.member.to_token_stream().to_string();
        // The text of a type has another line only in the value of an array's length.
        let ty = type_text(field.ty).replace('\n', " ");
        format!("{}: {ty}", member.trim_start_matches("r#"))
    });
    let fields = fields.collect::<Vec<_>>().join("\n");
    let internal = is_internal.then(|| {
        quote!(
            const INTERNAL: bool = true;
        )
    });
    // rustc would interpret a hash of the text, at a cost above that of all other code of the command.
    let shape = Literal::u64_unsuffixed(hashed(FNV_OFFSET, &schema::text(input)));
    let (ty, field, of_singleton) = match command.id {
        IdSource::Field { member, ty } => (ty.to_token_stream(), Some(member), None),
        IdSource::Singleton => (
            quote!(()),
            None,
            Some(quote!(
                fn aggregate_id(&self) -> &() {
                    &()
                }
            )),
        ),
    };
    // `macro_rules!` repeat tokens faster than this macro makes them.
    let made = quote! {
        #krate::macro_support::command! {
            #ident, #name, #ty, [#field] { #internal #of_singleton #validate } #marked #shape #fields
        }
    };
    beside(input, made)
}

/// The method that calls the checks of the struct and of its fields, if there are any.
fn validate(syntax: &CommandSyntax<'_>) -> Option<TokenStream> {
    let CommandSyntax { krate, checks: of_struct, fields, .. } = syntax;
    // Tokens with the place of a path would not see variables of this place.
    let (this, all) = (quote!(self), quote!(__checks));
    let of_fields = fields.iter().flat_map(|field| field.checks.iter().map(move |path| (Some(field), path)));
    let calls: Vec<_> = of_fields
        .chain(of_struct.iter().map(|path| (None, path)))
        .map(|(field, path)| {
            let Some(field) = field else {
                return quote_spanned!(path.span()=> #all.add(::core::option::Option::None, #path(#this)););
            };
            let name = field.member.to_token_stream().to_string();
            let name = name.trim_start_matches("r#");
            // rustc blames an argument of another type: here, at the path, and with the variables of this place.
            let span = path.span().resolved_at(Span::mixed_site());
            let mut member = field.member.clone();
            match &mut member {
                Member::Named(member) => member.set_span(span),
                Member::Unnamed(index) => index.span = span,
            }
            let value = quote_spanned!(span=> &self.#member);
            quote_spanned!(path.span()=> #all.add(::core::option::Option::Some(#name), #path(#value));)
        })
        .collect();
    (!calls.is_empty()).then(|| {
        quote! {
            fn validate(&self) -> ::core::result::Result<(), #krate::InvalidCommand> {
                let mut __checks = #krate::macro_support::Checks::new();
                #(#calls)*
                __checks.result::<Self>()
            }
        }
    })
}

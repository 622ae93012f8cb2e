//! Collecting what is wrong, so that one build tells all of it.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::spanned::Spanned as _;

/// The errors of one macro call.
#[derive(Default)]
pub(crate) struct Errors {
    found: Option<syn::Error>,
}

impl Errors {
    /// An error whose caret is under `tokens`.
    pub(crate) fn at(&mut self, tokens: &impl ToTokens, message: impl std::fmt::Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    /// An error whose caret is at `span`.
    pub(crate) fn at_span(&mut self, span: Span, message: impl std::fmt::Display) {
        self.push(syn::Error::new(span, message));
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.found {
            Some(found) => found.combine(error),
            None => self.found = Some(error),
        }
    }

    /// Whether anything is wrong so far: what follows from it need not be told too.
    pub(crate) fn any(&self) -> bool {
        self.found.is_some()
    }

    /// The value of a parse that may have failed.
    pub(crate) fn ok<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// The first one as code, to stand where a type can't be known. rustc tells an error once, however often it is made.
    pub(crate) fn first(&self) -> Option<TokenStream> {
        self.found.clone()?.into_iter().next().map(syn::Error::into_compile_error)
    }

    #[cfg(test)]
    pub(crate) fn messages(self) -> Vec<String> {
        self.found.into_iter().flatten().map(|error| error.to_string()).collect()
    }

    /// All of them as code, in the order of the source, whichever stage found them.
    fn into_tokens(self) -> TokenStream {
        let mut errors: Vec<_> = self.found.into_iter().flatten().collect();
        errors.sort_by_key(|error| position(error.span()));
        errors.into_iter().map(syn::Error::into_compile_error).collect()
    }
}

/// The line and the column of a span; outside of rustc it has none.
fn position(span: Span) -> Option<(usize, usize)> {
    proc_macro::is_available().then(|| {
        let start = span.unwrap().start();
        (start.line(), start.column())
    })
}

/// Runs a derive: what it makes, if anything, and the errors it found.
pub(crate) fn collect(derive: impl FnOnce(&mut Errors) -> Option<TokenStream>) -> TokenStream {
    let mut errors = Errors::default();
    let made = derive(&mut errors).unwrap_or_default();
    if !errors.any() {
        return made;
    }
    let errors = errors.into_tokens();
    quote!(#errors #made)
}

/// Runs an attribute macro on an item; if nothing comes of it, the item stays, so that the editor stays alive.
pub(crate) fn collect_beside(
    item: TokenStream,
    expand: impl FnOnce(TokenStream, &mut Errors) -> Option<TokenStream>,
) -> TokenStream {
    collect(|errors| expand(item.clone(), errors).or(Some(item)))
}

/// What a marker expands to when no `#[handlers]` has taken it away.
pub(crate) fn outside_handlers(marker: &str, item: TokenStream) -> TokenStream {
    collect_beside(item, |_, errors| {
        errors.at_span(
            Span::call_site().span(),
            format!(
                "`#[{marker}]` works in an `impl` block with `#[handlers]` on it only, and stands there as it is, not \
                 in a `cfg_attr`"
            ),
        );
        None
    })
}

//! Collects errors, so that one build reports all of them.

use proc_macro2::{Delimiter, Punct, Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};

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

    /// Whether an error is reported so far: one that follows from it need not be reported as well.
    pub(crate) fn any(&self) -> bool {
        self.found.is_some()
    }

    /// How many errors are reported so far.
    pub(crate) fn count(&self) -> usize {
        self.found.iter().flatten().count()
    }

    /// The value of a parse that may have failed.
    pub(crate) fn ok<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// The first error as code, a placeholder for a type that can't be known. rustc reports an error once, however often it
    /// stands in the code.
    pub(crate) fn first(&self) -> Option<TokenStream> {
        self.found.clone()?.into_iter().next().map(syn::Error::into_compile_error)
    }

    #[cfg(test)]
    pub(crate) fn messages(self) -> Vec<String> {
        self.found.into_iter().flatten().map(|error| error.to_string()).collect()
    }

    /// All errors as code, by their lines in the source, whichever stage found them.
    fn into_tokens(self) -> TokenStream {
        let mut errors: Vec<_> = self.found.into_iter().flatten().collect();
        errors.sort_by_key(|error| line(error.span()));
        errors.into_iter().map(syn::Error::into_compile_error).collect()
    }
}

/// The line of a span; 0 in unit tests, where rustc is not at work.
fn line(span: Span) -> usize {
    if proc_macro::is_available() { span.unwrap().start().line() } else { 0 }
}

/// Tokens in a message, spaced as a user writes them.
pub(crate) fn shown(tokens: &impl ToTokens) -> String {
    let mut text = String::new();
    let is_word = |char: char| char.is_alphanumeric() || char == '_';
    let is_operator =
        |punct: &Punct| ['+', '='].contains(&punct.as_char()) && punct.spacing() == Spacing::Alone;
    for tree in tokens.to_token_stream() {
        let (written, is_spaced) = match &tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace if group.stream().is_empty() => ("{", "}"),
                    Delimiter::Brace => ("{ ", " }"),
                    Delimiter::None => ("", ""),
                };
                let is_spaced = text.ends_with(is_word)
                    && (group.delimiter() != Delimiter::Parenthesis || text.ends_with("mut"));
                (format!("{open}{}{close}", shown(&group.stream())), is_spaced)
            }
            TokenTree::Punct(punct) if is_operator(punct) && !text.ends_with(['=', ' ']) => {
                (format!(" {punct} "), false)
            }
            TokenTree::Punct(punct) if punct.as_char() == '>' && text.ends_with(['-', '=']) => {
                let sign = if text.pop() == Some('=') { " => " } else { " -> " };
                (sign.to_owned(), false)
            }
            TokenTree::Punct(punct) if [',', ';'].contains(&punct.as_char()) => (format!("{punct} "), false),
            TokenTree::Punct(_) => (tree.to_string(), false),
            TokenTree::Ident(_) | TokenTree::Literal(_) => (tree.to_string(), text.ends_with(is_word)),
        };
        if is_spaced {
            text.push(' ');
        }
        text.push_str(&written);
    }
    text.trim().to_owned()
}

/// Runs a derive. Returns its errors and the code that it generates.
pub(crate) fn collect(derive: impl FnOnce(&mut Errors) -> TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let made = derive(&mut errors);
    if !errors.any() {
        return made;
    }
    let errors = errors.into_tokens();
    quote!(#errors #made)
}

/// Runs an attribute macro on an item. If it generates nothing, the item stays as it is, for the editor to see.
pub(crate) fn collect_beside(
    item: TokenStream,
    expand: impl FnOnce(TokenStream, &mut Errors) -> Option<TokenStream>,
) -> TokenStream {
    collect(|errors| expand(item.clone(), errors).unwrap_or(item))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_shown_as_they_are_written() {
        for text in [
            "Box<dyn Clock + Send>",
            "&'static [u8; 4]",
            "&'static a::Opened",
            "Option<&mut [u8; 4]>",
            "&mut (A, B<C, D>)",
            "impl Into<Opened> + 'a",
            "Box<dyn Fn(u8) -> u8>",
            "Pin<Box<dyn Future<Output = Opened>>>",
            "Map<A, (B, C)>",
            "name = \"two words\"",
            "a == b",
            "a::b!{}",
            "a => b",
        ] {
            let tokens: TokenStream = text.parse().expect("tokens");
            assert_eq!(shown(&tokens), text.replace(" == ", "=="));
        }
    }
}

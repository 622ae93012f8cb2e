//! What an item says to serde, as far as it decides how old versions are read.

use proc_macro2::{TokenStream, TokenTree};
use syn::{Attribute, Ident, Meta};

/// One option of a `#[serde(..)]` attribute: its name, and all of it.
#[derive(Clone)]
pub(crate) struct SerdeOption {
    pub(crate) name: Ident,
    pub(crate) tokens: TokenStream,
}

/// All options in the `serde` attributes of an item. What is not understood is left to serde to complain of.
pub(crate) fn serde_options(attributes: &[Attribute]) -> Vec<SerdeOption> {
    let lists = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("serde") => Some(list.tokens.clone()),
        _ => None,
    });
    lists.flat_map(split).collect()
}

/// Values of serde's options are literals or stand in parentheses: every comma separates.
fn split(tokens: TokenStream) -> Vec<SerdeOption> {
    let mut options = Vec::new();
    let mut option = TokenStream::new();
    let end = |option: &mut TokenStream, options: &mut Vec<SerdeOption>| {
        let tokens = std::mem::take(option);
        if let Some(TokenTree::Ident(name)) = tokens.clone().into_iter().next() {
            options.push(SerdeOption { name, tokens });
        }
    };
    for tree in tokens {
        match &tree {
            TokenTree::Punct(punct) if punct.as_char() == ',' => end(&mut option, &mut options),
            _ => option.extend([tree]),
        }
    }
    end(&mut option, &mut options);
    options
}

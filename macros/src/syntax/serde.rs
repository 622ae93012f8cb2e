//! The `serde` attributes of an item: they decide how its old versions are read.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Attribute, Ident, LitStr, Meta};

/// One option of a `#[serde(..)]` attribute: its name, and all of its tokens.
pub(crate) struct SerdeOption {
    pub(crate) name: Ident,
    pub(crate) tokens: TokenStream,
}

impl SerdeOption {
    /// Whether the field is not written, or not read.
    pub(crate) fn is_skip(&self) -> bool {
        ["skip", "skip_serializing", "skip_deserializing"].iter().any(|skip| self.name == skip)
    }

    /// The text in `name = "text"`, or in `name(deserialize = "text")`.
    pub(crate) fn text(&self) -> Option<String> {
        let mut flat = Vec::new();
        flatten(self.tokens.clone(), &mut flat);
        let start = flat
            .iter()
            .position(|tree| matches!(tree, TokenTree::Ident(ident) if ident == "deserialize"))
            .unwrap_or_default();
        flat.iter().skip(start).find_map(|tree| match tree {
            TokenTree::Literal(literal) => {
                syn::parse2::<LitStr>(literal.to_token_stream()).ok().map(|text| text.value())
            }
            _ => None,
        })
    }
}

fn flatten(tokens: TokenStream, flat: &mut Vec<TokenTree>) {
    for tree in tokens {
        match tree {
            TokenTree::Group(group) => flatten(group.stream(), flat),
            tree => flat.push(tree),
        }
    }
}

/// All options in the `serde` attributes of an item. serde itself reports those that it does not understand.
pub(crate) fn serde_options(attributes: &[Attribute]) -> Vec<SerdeOption> {
    let lists = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("serde") => Some(list.tokens.clone()),
        _ => None,
    });
    lists.flat_map(split).collect()
}

/// The options of one list. Their values are literals or stand in parentheses, so every comma separates two options.
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

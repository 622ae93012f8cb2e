//! The `impl` block around a marker that no `#[handlers]` has taken away.
//!
//! A macro sees its own item alone, and `#[handlers]` is missing once, however many markers there are. So the block is read
//! from the source file.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::Type;

use super::ImplBlock;
use crate::markers::Marker;

/// A block with markers and without `#[handlers]`.
pub(crate) struct UnconnectedBlock {
    pub(crate) self_ty: Type,
    /// Whether the method is the first one with a marker.
    pub(crate) is_first: bool,
}

impl UnconnectedBlock {
    /// The block around a method with the marker; `None` if there is none, or the source can't be read.
    pub(crate) fn around(marker: &str, method: &TokenStream) -> Option<Self> {
        if !proc_macro::is_available() {
            return None;
        }
        let file = Span::call_site().unwrap().local_file()?;
        let text = std::fs::read_to_string(file).ok()?;
        Self::find(text.parse().ok()?, marker, &name(method)?)
    }

    fn find(source: TokenStream, marker: &str, method: &str) -> Option<Self> {
        let mut item = TokenStream::new();
        for tree in source {
            item.extend([tree.clone()]);
            let TokenTree::Group(group) = &tree else {
                if matches!(&tree, TokenTree::Punct(punct) if punct.as_char() == ';') {
                    item = TokenStream::new();
                }
                continue;
            };
            if group.delimiter() == Delimiter::Brace {
                let item = std::mem::take(&mut item);
                let found = Self::of(item, marker, method);
                if let Some(found) = found.or_else(|| Self::find(group.stream(), marker, method)) {
                    return Some(found);
                }
            }
        }
        None
    }

    /// The item, if it is such a block and has the method.
    fn of(item: TokenStream, marker: &str, method: &str) -> Option<Self> {
        let krate = syn::parse_quote!(::factum);
        let (block, methods) = ImplBlock::parse(item, &krate).ok()?;
        let is_connected = block
            .attributes
            .iter()
            .any(|attribute| attribute.to_token_stream().to_string().contains("handlers"));
        if is_connected || block.of_trait.is_some() {
            return None;
        }
        let is_it = |(index, (found, name)): (usize, (&Marker, String))| {
            (found.name == marker && name == method).then_some(index)
        };
        let with_marker = methods
            .iter()
            .filter_map(|method| Some((method.markers(&krate).next()?.0, method.name.to_string())));
        let index = with_marker.enumerate().find_map(is_it)?;
        Some(Self { self_ty: block.self_ty, is_first: index == 0 })
    }
}

/// The name of a method.
fn name(method: &TokenStream) -> Option<String> {
    let mut tokens = method.clone().into_iter();
    tokens.find(|token| matches!(token, TokenTree::Ident(keyword) if keyword == "fn"))?;
    Some(tokens.next()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::shown_type;

    #[test]
    fn the_block_of_a_marker_is_found() {
        let source = r"
            use factum::prelude::*;
            #[handlers] impl Other { #[apply] fn opened(&mut self, _: &Opened) { loop { break; } } }
            impl Display for Account { #[apply] fn opened(&mut self) {} }
            mod inner {
                struct Account { balance: u64 }
                impl<'a> super::Account {
                    const COUNT: u64 = { 1 };
                    fn helper() { impl Inner { } }
                    #[execute] fn open(&self, _: Open) {}
                    #[factum::apply] pub(crate) fn opened(&mut self, _: &Opened) {}
                }
            }
        ";
        let find = |marker: &str, method| {
            let source = source.parse().expect("a source");
            let block = UnconnectedBlock::find(source, marker, method)?;
            Some((shown_type(&block.self_ty), block.is_first))
        };
        let block = |is_first| Some(("super::Account".to_owned(), is_first));
        assert_eq!(find("execute", "open"), block(true));
        assert_eq!(find("apply", "opened"), block(false));
        assert_eq!(find("apply", "closed"), None);
        assert_eq!(find("project", "opened"), None);
    }
}

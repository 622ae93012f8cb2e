//! The `impl` block around a marker that no `#[handlers]` has taken away.
//!
//! A macro sees its own item alone, and `#[handlers]` is missing once, however many markers there are. So the block is read
//! from the source file.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Attribute, Path, Type};

use super::ImplBlock;
use super::impl_block::Method;
use crate::manifest;

/// A block of a type itself, with markers.
pub(crate) struct BlockAround {
    pub(crate) self_ty: Type,
    /// The path of factum, if the source says one.
    pub(crate) krate: Option<Path>,
    /// Whether `#[handlers]` is on it, and has not seen the marker.
    pub(crate) has_handlers: bool,
    /// Whether the method is the first one with a marker.
    pub(crate) is_first: bool,
}

impl BlockAround {
    /// The block around a method with the marker; `None` if there is none, or the source can't be read.
    pub(crate) fn method(marker: &str, method: &TokenStream) -> Option<Self> {
        if !proc_macro::is_available() {
            return None;
        }
        let span = Span::call_site().unwrap();
        let text = std::fs::read_to_string(span.local_file()?).ok()?;
        Self::in_source(renamed(&text, span.start().line(), &name(method)?)?.parse().ok()?, marker)
    }

    fn in_source(source: TokenStream, marker: &str) -> Option<Self> {
        let krate = krate(source.clone());
        let known = krate.clone().unwrap_or_else(manifest::factum);
        Self::find(source, marker, &known).map(|found| Self { krate, ..found })
    }

    /// The block around the method that is called [`THIS_ONE`].
    fn find(source: TokenStream, marker: &str, krate: &Path) -> Option<Self> {
        let mut item = TokenStream::new();
        for tree in source {
            item.extend([tree.clone()]);
            let TokenTree::Group(group) = &tree else {
                if is_punct(&tree, ';') {
                    item = TokenStream::new();
                }
                continue;
            };
            if group.delimiter() == Delimiter::Brace {
                let item = std::mem::take(&mut item);
                let found = Self::of(item, marker, krate);
                if let Some(found) = found.or_else(|| Self::find(group.stream(), marker, krate)) {
                    return Some(found);
                }
            }
        }
        None
    }

    /// The item, if it is such a block and has the method.
    fn of(item: TokenStream, marker: &str, krate: &Path) -> Option<Self> {
        let (block, methods) = ImplBlock::parse(item, krate).ok()?;
        if block.of_trait.is_some() {
            return None;
        }
        let is_named = |found: &Method| found.name == THIS_ONE;
        let is_handlers = |attribute: &Attribute| {
            attribute.path().segments.last().is_some_and(|last| last.ident == "handlers")
        };
        if block
            .attributes
            .iter()
            .any(|attribute| is_handlers(attribute) || is_in_cfg_attr(attribute, "handlers"))
        {
            let is_hidden = |found: &Method| {
                is_named(found) && found.attributes.iter().any(|attribute| is_in_cfg_attr(attribute, marker))
            };
            let is_it = methods.iter().any(is_hidden);
            return is_it.then_some(Self {
                self_ty: block.self_ty,
                krate: None,
                has_handlers: true,
                is_first: false,
            });
        }
        let is_it =
            |found: &Method| is_named(found) && found.markers(krate).any(|(found, _)| found.name == marker);
        if !methods.iter().any(is_it) {
            return None;
        }
        // A method with `cfg` may not be there to report.
        let is_there = |found: &&Method| {
            found.markers(krate).next().is_some()
                && !found.attributes.iter().any(|attribute| attribute.path().is_ident("cfg"))
        };
        let is_first = methods.iter().find(is_there).is_none_or(is_it);
        Some(Self { self_ty: block.self_ty, krate: None, has_handlers: false, is_first })
    }
}

/// The path in the first `crate = ..` of a source. A crate has factum under one name.
fn krate(source: TokenStream) -> Option<Path> {
    let mut trees = source.into_iter().peekable();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Group(group) => {
                if let Some(found) = krate(group.stream()) {
                    return Some(found);
                }
            }
            TokenTree::Ident(key) if key == "crate" => {
                if trees.next_if(|next| is_punct(next, '=')).is_some() {
                    let path: TokenStream = trees.by_ref().take_while(|tree| !is_punct(tree, ',')).collect();
                    // serde has a text there.
                    if let Ok(path) = syn::parse2(path) {
                        return Some(path);
                    }
                }
            }
            TokenTree::Punct(_) | TokenTree::Ident(_) | TokenTree::Literal(_) => {}
        }
    }
    None
}

fn is_punct(tree: &TokenTree, char: char) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == char)
}

fn is_in_cfg_attr(attribute: &Attribute, name: &str) -> bool {
    attribute.path().is_ident("cfg_attr") && attribute.to_token_stream().to_string().contains(name)
}

/// The name of a method, in a source where others may have the same one.
const THIS_ONE: &str = "factum_looks_for_this_one";

/// The source with the next method from a line on as [`THIS_ONE`].
fn renamed(source: &str, line: usize, method: &str) -> Option<String> {
    let start: usize = source.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let (before, rest) = source.split_at_checked(start)?;
    let (signature, rest) = rest.split_once(&format!("fn {method}"))?;
    Some(format!("{before}{signature}fn {THIS_ONE}{rest}"))
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
    use crate::errors::shown;

    #[test]
    fn the_block_of_a_marker_is_found() {
        let source = r"
            #[factum::handlers] impl Other {
                #[apply] fn opened(&mut self, _: &Opened) { loop { break; } }
                #[cfg_attr(all(), apply)] fn reopened(&mut self, _: &Opened) {}
            }
            impl Display for Account {
                #[apply] fn opened(&mut self) {}
            }
            mod inner {
                struct Account { balance: u64 }
                /// The handlers of an account.
                impl<'a> super::Account {
                    const COUNT: u64 = { 1 };
                    fn helper() { impl Inner { } }
                    #[execute] fn open(&self, _: Open) {}
                    #[factum::apply] pub(crate) fn opened(&mut self, _: &Opened) {}
                }
            }
        ";
        let find = |line, marker: &str, method| {
            let source = renamed(source, line, method)?.parse().expect("a source");
            let block = BlockAround::in_source(source, marker)?;
            Some((shown(&block.self_ty), block.has_handlers, block.is_first))
        };
        let found = |ty: &str, has_handlers, is_first| Some((ty.to_owned(), has_handlers, is_first));
        assert_eq!(find(4, "apply", "reopened"), found("Other", true, false));
        assert_eq!(find(15, "execute", "open"), found("super::Account", false, true));
        assert_eq!(find(16, "apply", "opened"), found("super::Account", false, false));
        assert_eq!(find(7, "apply", "opened"), None);
        assert_eq!(find(3, "project", "opened"), None);
        assert_eq!(find(17, "apply", "opened"), None);
    }

    #[test]
    fn a_source_says_the_name_of_the_crate() {
        let source = r#"
            #[derive(Event)] #[serde(crate = "json", rename_all = "kebab-case")] #[event(name = "opened", crate = es)]
            struct Opened;
            impl Account {
                #[es::apply] fn opened(&mut self, _: &Opened) {}
            }
        "#;
        let source = renamed(source, 5, "opened").and_then(|source| source.parse().ok()).expect("a source");
        let block = BlockAround::in_source(source, "apply").expect("the block");
        assert_eq!(block.krate.as_ref().map(shown).as_deref(), Some("es"));
        assert!(block.is_first);
    }
}

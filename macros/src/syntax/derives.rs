//! What a type derives, which the macro of a block beside it does not see. It is read from the source file.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};

use super::module::source_text;

/// The traits that the type of this name derives; `None` if the file has no such type, or several.
pub(crate) fn derives_of(name: &Ident) -> Option<Vec<String>> {
    only_derives(source_text()?.parse().ok()?, &name.to_string())
}

fn only_derives(source: TokenStream, name: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    collect(source, name, &mut found);
    let only = found.pop();
    only.filter(|_| found.is_empty())
}

/// The derives of each type of this name, also of those in modules and bodies.
fn collect(source: TokenStream, name: &str, found: &mut Vec<Vec<String>>) {
    let mut derives = Vec::new();
    let mut trees = source.into_iter().peekable();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                collect_derives(group.stream(), &mut derives);
            }
            TokenTree::Group(group) => {
                derives.clear();
                collect(group.stream(), name, found);
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => derives.clear(),
            TokenTree::Ident(keyword) if keyword == "struct" || keyword == "enum" => {
                if matches!(trees.peek(), Some(TokenTree::Ident(ident)) if ident == name) {
                    found.push(std::mem::take(&mut derives));
                }
            }
            TokenTree::Punct(_) | TokenTree::Ident(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// The names in `derive(..)`, also in a `cfg_attr`.
fn collect_derives(attribute: TokenStream, derives: &mut Vec<String>) {
    let mut is_derive = false;
    for tree in attribute {
        match tree {
            TokenTree::Group(group) if is_derive => {
                derives.extend(group.stream().into_iter().filter_map(|tree| match tree {
                    TokenTree::Ident(name) => Some(name.to_string()),
                    _ => None,
                }));
            }
            TokenTree::Group(group) => collect_derives(group.stream(), derives),
            TokenTree::Ident(word) => is_derive = word == "derive",
            TokenTree::Punct(_) | TokenTree::Literal(_) => is_derive = false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_derives_of_one_type_are_found() {
        let source = "
            #[derive(Debug, Clone)] struct Other { a: u8 }
            mod inner {
                #[derive(Debug, factum::Aggregate)] #[aggregate(id = String)] pub struct Account;
                #[cfg_attr(test, derive(Projection))] pub enum Side { A, B }
            }
            struct Plain;
            mod twice { #[derive(Debug)] struct Plain; }";
        let derives = |name| only_derives(source.parse().expect("tokens"), name);
        assert_eq!(derives("Account").expect("a type"), ["Debug", "factum", "Aggregate"]);
        assert_eq!(derives("Side").expect("a type"), ["Projection"]);
        assert_eq!(derives("Plain"), None);
        assert_eq!(derives("Missing"), None);
    }
}

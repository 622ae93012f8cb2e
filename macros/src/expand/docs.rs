//! The docs of listed structs, for the variants of the generated enums.
//!
//! A macro sees its own item alone. For rustdoc, this module reads the item's file again and takes the docs of the structs
//! beside the item: links in them mean the same there. A struct elsewhere is only a link with its name.

use std::collections::HashMap;
use std::path::Path;

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};

/// The doc attributes of the structs beside `ident`, by name; empty unless rustdoc is at work.
pub(crate) fn beside(ident: &Ident) -> HashMap<String, TokenStream> {
    // rustc does not need docs, and reading the file takes time.
    let is_rustdoc =
        std::env::current_exe().is_ok_and(|exe| exe.file_stem().is_some_and(|stem| stem == "rustdoc"));
    let file = is_rustdoc.then(|| ident.span().unwrap().local_file()).flatten();
    file.and_then(|file| read(&file, &ident.to_string())).unwrap_or_default()
}

fn read(file: &Path, item: &str) -> Option<HashMap<String, TokenStream>> {
    let text = std::fs::read_to_string(file).ok()?;
    module_of(item, text.parse().ok()?)
}

/// The structs of the module that `item` is in: `module`, or one inside of it.
fn module_of(item: &str, module: TokenStream) -> Option<HashMap<String, TokenStream>> {
    let mut structs = HashMap::new();
    let mut docs = TokenStream::new();
    let mut inner = Vec::new();
    let mut tokens = module.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                if let Some(TokenTree::Group(attribute)) = tokens.peek()
                    && is_doc(&attribute.stream())
                {
                    docs.extend([token.clone(), tokens.next()?]);
                }
            }
            TokenTree::Ident(keyword) if keyword == "struct" || keyword == "enum" => {
                if let Some(TokenTree::Ident(name)) = tokens.next() {
                    let docs = std::mem::take(&mut docs);
                    // On a variant, `Self` would mean the enum: such docs are left out.
                    let has_self = docs.to_string().contains("Self");
                    structs.insert(name.to_string(), if has_self { TokenStream::new() } else { docs });
                }
            }
            // Only an attribute or a visibility may stand between the docs and the item.
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                docs = TokenStream::new();
                inner.push(group.stream());
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => docs = TokenStream::new(),
            _ => {}
        }
    }
    if structs.contains_key(item) {
        return Some(structs);
    }
    inner.into_iter().find_map(|inner| module_of(item, inner))
}

/// `doc = ..`; `///` is the short form of it.
fn is_doc(attribute: &TokenStream) -> bool {
    let mut tokens = attribute.clone().into_iter();
    let is_doc = matches!(tokens.next(), Some(TokenTree::Ident(name)) if name == "doc");
    let is_text = matches!(tokens.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == '=');
    is_doc && is_text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn docs(item: &str, text: &str) -> Vec<(String, String)> {
        let structs = module_of(item, text.parse().unwrap()).unwrap_or_default();
        let mut found: Vec<_> = structs.into_iter().map(|(name, docs)| (name, docs.to_string())).collect();
        found.sort();
        found
    }

    #[test]
    fn docs_of_what_stands_beside() {
        let text = r"
            //! A module.
            use std::fmt;
            /// Not of a struct.
            fn other() { struct Inside; }
            /// It was
            #[derive(Debug, Event)]
            /// opened.
            pub(crate) struct Opened { /** A field. */ by: String }
            struct Plain(u8);
            /// An account,
            /// which is [`Self`].
            struct Account;
            mod inner { /// Elsewhere.
                struct Closed; struct Other; }
        ";
        let expected =
            [("Account", ""), ("Opened", "# [doc = \" It was\"] # [doc = \" opened.\"]"), ("Plain", "")];
        assert_eq!(docs("Account", text), expected.map(|(name, docs)| (name.to_owned(), docs.to_owned())));
        let names: Vec<_> = docs("Other", text).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["Closed", "Other"]);
        assert!(docs("Missing", text).is_empty());
    }
}

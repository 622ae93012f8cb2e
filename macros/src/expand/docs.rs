//! What the structs of a list say of themselves, for the variants made of them.
//!
//! A macro is handed its own item alone. Where rustdoc is at work, the file that the item stands in is read once more, and
//! what stands beside the item in it is looked through: links in its docs mean the same there. Of a struct elsewhere nothing
//! is known but its name, which is a link to it.

use std::collections::HashMap;
use std::path::Path;

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};

/// The doc attributes of the structs beside `ident`, by their names; none, but for rustdoc.
pub(crate) fn beside(ident: &Ident) -> HashMap<String, TokenStream> {
    // rustc reads no docs, and has no time.
    let is_rustdoc =
        std::env::current_exe().is_ok_and(|exe| exe.file_stem().is_some_and(|stem| stem == "rustdoc"));
    let file = is_rustdoc.then(|| ident.span().unwrap().local_file()).flatten();
    file.and_then(|file| read(&file, &ident.to_string())).unwrap_or_default()
}

fn read(file: &Path, item: &str) -> Option<HashMap<String, TokenStream>> {
    let text = std::fs::read_to_string(file).ok()?;
    module_of(item, text.parse().ok()?)
}

/// The structs of the module that `item` is in, this one or one inside of it.
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
                    // Of what is said of `Self`, the variant's enum would be taken for it.
                    let of_self = docs.to_string().contains("Self");
                    structs.insert(name.to_string(), if of_self { TokenStream::new() } else { docs });
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

/// `doc = ..`, which `///` is as well.
fn is_doc(attribute: &TokenStream) -> bool {
    let mut tokens = attribute.clone().into_iter();
    let is_doc = matches!(tokens.next(), Some(TokenTree::Ident(name)) if name == "doc");
    let is_text = matches!(tokens.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == '=');
    is_doc && is_text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(item: &str, text: &str) -> Vec<(String, String)> {
        let structs = module_of(item, text.parse().unwrap()).unwrap_or_default();
        let mut said: Vec<_> = structs.into_iter().map(|(name, docs)| (name, docs.to_string())).collect();
        said.sort();
        said
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
        assert_eq!(said("Account", text), expected.map(|(name, docs)| (name.to_owned(), docs.to_owned())));
        let names: Vec<_> = said("Other", text).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["Closed", "Other"]);
        assert!(said("Missing", text).is_empty());
    }
}

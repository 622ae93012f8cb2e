//! Attributes and keys under another name than their own.

use quote::ToTokens as _;
use syn::{Attribute, LitStr, Meta};

use crate::names::{distance, nearest};

/// The attributes of a name. Without one, those that rustc reports as a misspelling of it.
pub(super) fn written<'a>(attributes: &'a [Attribute], name: &str) -> Vec<&'a Attribute> {
    let all = |is_meant: &dyn Fn(&Attribute) -> bool| -> Vec<_> {
        attributes.iter().filter(|found| is_meant(found)).collect()
    };
    let exact = all(&|found| found.path().is_ident(name));
    if exact.is_empty() {
        all(&|found| matches!(found.meta, Meta::List(_)) && is_misspelled(found, name))
    } else {
        exact
    }
}

/// Whether an attribute has a name in another number or case, or with a slip in it.
pub(crate) fn is_misspelled(attribute: &Attribute, name: &str) -> bool {
    let Some(written) = attribute.path().get_ident().map(|written| written.to_string().to_lowercase()) else {
        return false;
    };
    written.trim_end_matches('s') == name.trim_end_matches('s')
        || distance(&written, name) <= name.len().saturating_sub(3) / 4
}

/// An attribute that has no parentheses, with them.
pub(super) fn in_parentheses(meta: &Meta, attribute: &str, known: &[&str]) -> String {
    match (meta, known) {
        (Meta::NameValue(given), _)
            if known.contains(&"name") && syn::parse2::<LitStr>(given.value.to_token_stream()).is_ok() =>
        {
            format!("#[{attribute}(name = {})]", given.value.to_token_stream())
        }
        (_, [only]) => format!("#[{attribute}({only})]"),
        _ => format!("#[{attribute}(..)]` with keys, as `{}", known.join("`, `")),
    }
}

/// The key that was most likely meant by a word that is none.
pub(super) fn meant(written: &str, known: &'static [&'static str]) -> Option<&'static str> {
    let meant = nearest(written, known).filter(|&meant| meant != "crate" || distance(written, meant) == 1);
    let synonym = || {
        let is_known = |&&(word, key): &&(&str, &str)| word == written && known.contains(&key);
        SYNONYMS.iter().find(is_known).map(|(_, key)| *key)
    };
    meant.or_else(synonym)
}

/// Words for a key that are far from it.
const SYNONYMS: [(&str, &str); 12] = [
    ("aggregate", "from"),
    ("aggregate_id", "id"),
    ("aggregates", "from"),
    ("begins", "starts"),
    ("cmds", "commands"),
    ("in", "since"),
    ("key", "id"),
    ("of", "from"),
    ("old", "from"),
    ("repositories", "aggregates"),
    ("started_by", "starts"),
    ("type", "ty"),
];

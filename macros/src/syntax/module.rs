//! The types beside an item, in its source file, that lack a derive of ours.
//!
//! A macro sees its own item alone, and rustc reports a type without a derive wherever the type is used. So the first item
//! that uses such a type reports it. Both are read from the source file: a file without a suspicious type is only searched.

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Attribute, DeriveInput, Path, Type};

use super::by_hand::{has_impl, has_impl_elsewhere, may_have_impl};
use super::types::{all_fields, has_word, type_name};
use crate::errors::shown;
use crate::lengths;

/// A type that lacks a derive.
pub(crate) struct Underived {
    pub(crate) item: DeriveInput,
    pub(crate) derives: Vec<String>,
    /// Of the usual traits that the derives of factum build on, those that the type lacks.
    pub(crate) lacks: Vec<&'static str>,
    /// The first attribute that only the missing derive knows, or a wrong path to it: rustc reports that one.
    pub(crate) attribute: Option<String>,
}

/// A listed type that lacks a derive.
pub(crate) struct Lacking<'p> {
    pub(crate) path: &'p Path,
    pub(crate) derive: &'static str,
    pub(crate) underived: Underived,
}

/// Of the types that an item lists, each with the derive that it needs: those that lack it, and that the item lists first.
pub(crate) fn underived<'p>(item: &Ident, listed: &[(&'p Path, &'static str)]) -> Vec<Lacking<'p>> {
    let with_derive =
        |(path, derive): &(&'p Path, &'static str)| Some((path.get_ident()?.to_string(), *derive));
    let names: Vec<_> = listed.iter().filter_map(with_derive).collect();
    let Some(source) = Source::suspicious(&names) else { return Vec::new() };
    let Some(here) = source.module_of(item) else { return Vec::new() };
    let lacking = |(path, derive): &(&'p Path, &'static str)| {
        let name = path.get_ident()?.to_string();
        let underived = source.lacking(here, &name, &[*derive])?;
        let is_first = source.first_lister(&name, derive)? == (here, item.to_string());
        is_first.then_some(Lacking { path, derive, underived })
    };
    listed.iter().filter_map(lacking).collect()
}

/// The type of a block of handlers, if it has none of the derives, and the block is the first of its blocks.
pub(crate) fn underived_self(self_ty: &Type, method: &Ident, derives: &[&'static str]) -> Option<Underived> {
    let name = plain_name(self_ty)?;
    let names: Vec<_> = derives.iter().map(|derive| (name.clone(), *derive)).collect();
    let source = Source::suspicious(&names)?;
    let (here, block) = source.first_block(&name)?;
    has_method(block, method).then_some(())?;
    source.lacking(here, &name, derives)
}

/// What the type of an application's field is without the derive that it needs: `None` too if its block of handlers reports it.
pub(crate) fn underived_field(application: &Ident, ty: &Type, derive: &'static str) -> Option<Underived> {
    let name = plain_name(ty)?;
    let source = Source::suspicious(&[(name.clone(), derive)])?;
    let underived = source.lacking(source.module_of(application)?, &name, &[derive])?;
    let is_follower = |derive: &String| ["Projection", "Reaction", "Process"].contains(&derive.as_str());
    let is_reported = derive != "Clone"
        && source.first_block(&name).is_some()
        && !underived.derives.iter().any(is_follower);
    (!is_reported).then_some(underived)
}

/// Whether a type that an application names has an attribute, and it does not have the key.
pub(crate) fn lacks_key(application: &Ident, ty: &Type, attribute: &str, key: &str) -> bool {
    let lacks = || {
        let source = Source::read()?;
        let item = source.definition(source.module_of(application)?, &plain_name(ty)?)?;
        // What a `cfg_attr` adds may be the key.
        if item.attrs.iter().any(|attribute| attribute.path().is_ident("cfg_attr")) {
            return None;
        }
        let mut found = item.attrs.iter().filter(|found| found.path().is_ident(attribute)).peekable();
        found.peek()?;
        let has_key = found.any(|found| has_word(found.to_token_stream(), key));
        // Other files are read before an error only.
        let name = item.ident.to_string();
        Some(!has_key && !may_have_impl(&source.text, &name) && !has_impl_elsewhere(&[], &name))
    };
    lacks().unwrap_or_default()
}

/// The name of a type that is no more than a name.
fn plain_name(ty: &Type) -> Option<String> {
    type_name(ty).map(ToString::to_string).filter(|name| *name == shown(ty))
}

/// The text of the source file with the macro's item, if rustc is at work.
pub(super) fn source_text() -> Option<String> {
    if !proc_macro::is_available() {
        return None;
    }
    std::fs::read_to_string(Span::call_site().unwrap().local_file()?).ok()
}

/// The source file of the macro's item.
struct Source {
    text: String,
    /// Its modules, and its blocks. The file itself is the last one.
    modules: Vec<Module>,
}

/// The items of a module, or of a block.
struct Module {
    items: Vec<TokenStream>,
}

/// Whether the text has one of the types, and in front of it none of its derives.
///
/// It goes from line to line: cargo builds macros without optimization, which makes a search for a word slow.
fn is_suspicious(text: &str, names: &[(String, &'static str)]) -> bool {
    let mut end = 0;
    text.split_inclusive('\n').any(|line| {
        let start = end;
        end += line.len();
        let Some((keyword, name)) = defined(line) else { return false };
        let mut derives = names.iter().filter(|(other, _)| other == name).peekable();
        if derives.peek().is_none() {
            return false;
        }
        let before = text.get(..start + keyword).unwrap_or_default();
        let attributes = before.get(before.rfind(['}', ';']).unwrap_or_default()..).unwrap_or_default();
        derives.all(|(_, derive)| {
            !attributes.contains(derive)
                || is_misplaced(&format!("factum::{derive}"))
                    && attributes.contains(&format!("factum::{derive}"))
        })
    })
}

/// The place of `struct` or `enum` in a line, and the name after it.
fn defined(line: &str) -> Option<(usize, &str)> {
    let code = line.trim_start();
    // In most lines, nothing is looked for.
    if !["pub", "struct ", "enum ", "#["].iter().any(|word| code.starts_with(*word)) {
        return None;
    }
    let (at, keyword) =
        ["struct ", "enum "].iter().find_map(|keyword| Some((line.find(keyword)?, keyword)))?;
    let name = line.get(at + keyword.len()..)?;
    let end = name.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(name.len());
    Some((at, name.get(..end)?))
}

/// Takes the modules of a source apart. What stands in a call of a macro may become anything, and is left out.
fn collect(source: TokenStream, modules: &mut Vec<Module>) {
    let mut items = Vec::new();
    let mut item: Vec<TokenTree> = Vec::new();
    for tree in source {
        let is_end = match &tree {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                if !is_macro_call(&item) && !may_be_rewritten(&item) {
                    collect(group.stream(), modules);
                }
                true
            }
            TokenTree::Punct(punct) => punct.as_char() == ';',
            _ => false,
        };
        item.push(tree);
        if is_end {
            items.push(std::mem::take(&mut item).into_iter().collect());
        }
    }
    modules.push(Module { items });
}

/// Whether these tokens are a macro's name and `!`, and perhaps a name after it.
fn is_macro_call(before: &[TokenTree]) -> bool {
    before.iter().rev().take(2).any(|tree| matches!(tree, TokenTree::Punct(punct) if punct.as_char() == '!'))
}

/// Whether these tokens begin a module with an attribute that may add to its items.
fn may_be_rewritten(before: &[TokenTree]) -> bool {
    let is_module = before.iter().any(|tree| matches!(tree, TokenTree::Ident(word) if word == "mod"));
    let may_add = |tree: &TokenTree| match tree {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
            let name = group.stream().into_iter().next().map(|name| name.to_string()).unwrap_or_default();
            !["cfg", "path"].contains(&&*name) && !PASSIVE.contains(&&*name)
        }
        _ => false,
    };
    is_module && before.iter().any(may_add)
}

impl Source {
    fn read() -> Option<Self> {
        source_text().and_then(Self::of)
    }

    /// The source, if one of the types seems to be in it without any of its derives.
    fn suspicious(names: &[(String, &'static str)]) -> Option<Self> {
        if names.is_empty() {
            return None;
        }
        source_text().filter(|text| is_suspicious(text, names)).and_then(Self::of)
    }

    fn of(text: String) -> Option<Self> {
        let mut modules = Vec::new();
        collect(text.parse().ok()?, &mut modules);
        Some(Self { text, modules })
    }

    /// The only module that has the type.
    fn module_of(&self, name: &Ident) -> Option<usize> {
        only(self.modules.iter().enumerate().filter(|(_, module)| module.has(&name.to_string())))
            .map(|(at, _)| at)
    }

    /// The struct or enum of this name that a module has. What it imports may be another type.
    fn definition(&self, here: usize, name: &str) -> Option<DeriveInput> {
        let item = only(self.modules.get(here)?.definitions(name))?;
        lengths::parse_item(item.clone()).ok()
    }

    /// The first item that lists the type, and its module. What becomes of a command depends on its aggregate.
    fn first_lister(&self, name: &str, derive: &str) -> Option<(usize, String)> {
        let (listers, keys): (&[_], &[_]) = match derive {
            "Command" => (&["aggregate"], &["commands"]),
            "Event" => (&LISTERS, &["events", "starts", "retired"]),
            "Timeout" => (&LISTERS, &["timeouts"]),
            _ => (&LISTERS, &["id"]),
        };
        self.modules.iter().enumerate().find_map(|(at, module)| {
            module.items.iter().find_map(|item| {
                let item: DeriveInput = syn::parse2(item.clone()).ok()?;
                let lists = item.attrs.iter().any(|attribute| {
                    listers.iter().any(|lister| attribute.path().is_ident(lister))
                        && has_in_list(attribute.to_token_stream(), keys, name)
                });
                lists.then(|| (at, item.ident.to_string()))
            })
        })
    }

    /// The first block of handlers of the type, and its module.
    fn first_block(&self, name: &str) -> Option<(usize, &TokenStream)> {
        self.modules.iter().enumerate().find_map(|(at, module)| Some((at, module.first_block(name)?)))
    }

    /// Whether an attribute with a name of ours may be a macro of others.
    fn may_be_a_macro(&self, attribute: &Attribute, name: &str) -> bool {
        let is_import = |line: &str| {
            line.trim_start().trim_start_matches("pub ").starts_with("use ")
                && line.split(|char: char| !char.is_alphanumeric() && char != '_').any(|word| word == name)
                && !line.contains(&format!("{name}::"))
        };
        attribute.meta.require_list().is_err() || self.text.lines().any(is_import)
    }

    /// The type, if it surely has none of the derives, nor an impl that a user wrote.
    fn lacking(&self, here: usize, name: &str, derives: &[&str]) -> Option<Underived> {
        let item = self.definition(here, name)?;
        let (mut found, mut misplaced) = (Vec::new(), None);
        for attribute in &item.attrs {
            let known = attribute.path().get_ident()?.to_string();
            if known == "derive" {
                let mut list = attribute.meta.require_list().ok()?.tokens.to_string();
                list.retain(|char| !char.is_whitespace());
                for path in list.split(',') {
                    if is_misplaced(path) {
                        misplaced = Some(path.to_owned());
                    } else {
                        found.push(path.rsplit("::").next().unwrap_or(path).to_owned());
                    }
                }
            } else if !PASSIVE.contains(&known.as_str())
                && (!OURS.contains(&known.as_str()) || self.may_be_a_macro(attribute, &known))
            {
                return None;
            }
        }
        let is_derived = |derive: &str| found.iter().any(|other| other == derive);
        let by_hand = |of: &str| has_impl(&self.text, of, name);
        let is_other = |name: &String| self.text.contains(&format!(" as {name}"));
        let may_become_any = found
            .iter()
            .any(|derived| !derived.is_empty() && (!KNOWN.contains(&derived.as_str()) || is_other(derived)));
        let has_alias = [format!("{name} as "), format!("= {name};"), " as factum".to_owned()];
        let is_in_macro_call = self.modules.iter().flat_map(|module| &module.items).any(|item| {
            let trees: Vec<_> = item.clone().into_iter().collect();
            trees.iter().enumerate().any(|(index, tree)| match tree {
                TokenTree::Group(group) => {
                    is_macro_call(trees.get(..index).unwrap_or_default()) && has_word(group.stream(), name)
                }
                _ => false,
            })
        });
        // A time-out is an event, too.
        let is_there = |derive: &&str| is_derived(derive) || *derive == "Event" && is_derived("Timeout");
        if may_become_any
            || is_in_macro_call
            || has_alias.iter().any(|alias| self.text.contains(alias))
            || derives.iter().any(is_there)
            || may_have_impl(&self.text, name)
            || has_impl_elsewhere(derives, name)
        {
            return None;
        }
        let lacks = ["Debug", "Default", "Clone"].into_iter();
        let lacks = lacks.filter(|of| !is_derived(of) && !by_hand(of)).collect();
        let fields = all_fields(&item.data);
        let attributes = item.attrs.iter().chain(fields.into_iter().flat_map(|field| &field.attrs));
        let attribute = attributes
            .filter_map(|attribute| attribute.path().get_ident().map(ToString::to_string))
            .find(|name| OURS.contains(&name.as_str()))
            .or(misplaced);
        Some(Underived { lacks, attribute, derives: found, item })
    }
}

impl Module {
    fn definitions(&self, name: &str) -> impl Iterator<Item = &TokenStream> {
        self.items.iter().filter(move |item| defines(item, name))
    }

    fn has(&self, name: &str) -> bool {
        only(self.definitions(name)).is_some()
    }

    /// The first block of handlers of the type.
    fn first_block(&self, name: &str) -> Option<&TokenStream> {
        self.items.iter().find(|item| {
            let (mut is_block, mut has_handlers) = (false, false);
            (*item).clone().into_iter().any(|tree| match tree {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                    has_handlers |= has_word(group.stream(), "handlers");
                    false
                }
                TokenTree::Ident(word) => {
                    is_block |= word == "impl";
                    is_block && has_handlers && word == name
                }
                _ => false,
            })
        })
    }
}

/// What an iterator returns, if it is one thing.
fn only<T>(mut found: impl Iterator<Item = T>) -> Option<T> {
    found.next().filter(|_| found.next().is_none())
}

/// Whether `key(..)` or `key = ..` of an attribute has the name.
fn has_in_list(attribute: TokenStream, keys: &[&str], name: &str) -> bool {
    let mut is_value = false;
    attribute.into_iter().any(|tree| match tree {
        TokenTree::Ident(word) if is_value && word == name => true,
        TokenTree::Ident(word) => {
            is_value = keys.iter().any(|key| word == key);
            false
        }
        TokenTree::Group(group) if is_value => {
            is_value = false;
            has_word(group.stream(), name)
        }
        TokenTree::Group(group) => has_in_list(group.stream(), keys, name),
        TokenTree::Punct(punct) => {
            is_value &= punct.as_char() == '=';
            false
        }
        TokenTree::Literal(_) => false,
    })
}

const LISTERS: [&str; 4] = ["aggregate", "projection", "reaction", "process"];

/// The attributes of the derives of factum.
const OURS: [&str; 10] = [
    "aggregate",
    "projection",
    "reaction",
    "process",
    "event",
    "command",
    "validate",
    "timeout",
    "aggregate_id",
    "application",
];

/// Attributes of others that add no impl to their item.
const PASSIVE: [&str; 12] = [
    "serde",
    "doc",
    "allow",
    "expect",
    "warn",
    "deny",
    "must_use",
    "non_exhaustive",
    "deprecated",
    "repr",
    "error",
    "default",
];

/// Derives that do not add an impl of ours under another name.
const KNOWN: [&str; 21] = [
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "Eq",
    "Error",
    "Hash",
    "Ord",
    "PartialEq",
    "PartialOrd",
    "Serialize",
    "Deserialize",
    "Aggregate",
    "AggregateId",
    "Command",
    "Event",
    "EventSchema",
    "Process",
    "Projection",
    "Reaction",
    "Timeout",
];

/// Whether a derive is looked for where factum does not have it, which rustc reports.
fn is_misplaced(path: &str) -> bool {
    let names = ["Application", "Process", "Projection", "Reaction", "Timeout"];
    path.trim_start_matches("::").strip_prefix("factum::").is_some_and(|name| names.contains(&name))
}

/// Whether an item is the struct or enum of this name.
fn defines(item: &TokenStream, name: &str) -> bool {
    let mut trees = item.clone().into_iter();
    trees.any(|tree| matches!(tree, TokenTree::Ident(keyword) if keyword == "struct" || keyword == "enum"))
        && matches!(trees.next(), Some(TokenTree::Ident(ident)) if ident == name)
}

/// Whether a block has a method of this name.
fn has_method(block: &TokenStream, method: &Ident) -> bool {
    block.clone().into_iter().any(|tree| match tree {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
            let mut is_after_fn = false;
            group.stream().into_iter().any(|tree| {
                let is_it = matches!(&tree, TokenTree::Ident(name) if is_after_fn && name == method);
                is_after_fn = matches!(&tree, TokenTree::Ident(keyword) if keyword == "fn");
                is_it
            })
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
        use factum::prelude::*;
        #[derive(Debug, Event)] struct Opened;
        #[derive(Debug)] struct Closed;
        #[derive(Debug)] #[timeout(version = 2)] struct Late;
        #[derive(Debug, Mystery)] struct Odd;
        #[derive(Debug)] struct ByHand; impl factum::Event for self::ByHand { }
        #[derive(Debug)] struct Known; make_events!(Known);
        mod inner {
            use super::*;
            pub struct Moved;
            #[derive(factum::Projection)] struct View;
        }
        mod other { pub struct Opened; pub struct Far; }
        use inner::Moved;
        #[derive(Projection)] #[projection(events(Opened), from(Account))] struct First;
        #[derive(Aggregate)] #[aggregate(id = Id, commands(Close), events(Opened, Closed, Moved))] struct Account;
        #[handlers] impl Account { #[apply] fn opened(&mut self) {} }
    ";

    fn source() -> (Source, usize) {
        let source = Source::of(TEXT.to_owned()).expect("a source");
        let file = source.modules.len() - 1;
        (source, file)
    }

    #[test]
    fn types_without_their_derive_are_found() {
        let (source, file) = source();
        let lacks = |name| source.lacking(file, name, &["Event"]).map(|found| found.attribute);
        assert_eq!(lacks("Closed"), Some(None));
        assert_eq!(lacks("Late"), Some(Some("timeout".to_owned())));
        // What a module imports may be another type than that of this name beside it.
        for name in ["Opened", "Odd", "ByHand", "Known", "Moved", "Far", "Missing"] {
            assert_eq!(lacks(name), None, "{name}");
        }
        let inner = source.modules.iter().position(|module| module.has("View"));
        let view = source.lacking(inner.expect("a module"), "View", &["Projection"]).expect("a view");
        assert_eq!(view.attribute.as_deref(), Some("factum::Projection"));
    }

    #[test]
    fn the_first_item_that_lists_a_type_reports_it() {
        let (source, file) = source();
        let first = |name, derive| source.first_lister(name, derive);
        assert_eq!(first("Opened", "Event"), Some((file, "First".to_owned())));
        assert_eq!(first("Closed", "Event"), Some((file, "Account".to_owned())));
        assert_eq!(first("Id", "AggregateId"), Some((file, "Account".to_owned())));
        assert_eq!(first("Close", "Event"), None);
        let (at, block) = source.first_block("Account").expect("a block");
        assert!(at == file && has_method(block, &quote::format_ident!("opened")));
    }

    #[test]
    fn only_a_suspicious_file_is_taken_apart() {
        let is_suspicious = |name: &str, derive| is_suspicious(TEXT, &[(name.to_owned(), derive)]);
        assert!(is_suspicious("Closed", "Event") && is_suspicious("View", "Projection"));
        assert!(!is_suspicious("First", "Projection") && !is_suspicious("Missing", "Event"));
    }
}

//! A golden test: what the macros generate for the README's program, in the file `golden/readme.rs`.

use std::fmt::Write as _;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{DeriveInput, Item};

use crate::errors::collect;
use crate::{Recipe, aggregate, aggregate_id, command, connect_handlers, event};

/// The README's program: its second block of code.
fn program() -> syn::File {
    let readme = include_str!("../../README.md");
    let code = readme.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next());
    syn::parse_file(code.expect("the README has a program")).expect("the program is Rust")
}

/// The code that our derives add to an item, or that `#[handlers]` makes of it.
fn expansion(item: &Item) -> TokenStream {
    match item {
        Item::Impl(block) => {
            let mut block = block.clone();
            block.attrs.clear();
            connect_handlers(TokenStream::new(), quote!(#block))
        }
        Item::Struct(item) => {
            let derives = item.attrs.iter().map(|attribute| attribute.to_token_stream().to_string());
            let derives = derives.collect::<String>();
            let input: DeriveInput = syn::parse_quote!(#item);
            let has =
                |name: &str| derives.split(|char: char| !char.is_alphanumeric()).any(|word| word == name);
            let recipes: [(&str, Recipe); 4] = [
                ("Event", event),
                ("Command", command),
                ("AggregateId", aggregate_id),
                ("Aggregate", aggregate),
            ];
            let recipe = recipes.into_iter().find(|(name, _)| has(name));
            recipe.map(|(_, recipe)| collect(|errors| recipe(&input, errors))).unwrap_or_default()
        }
        _ => TokenStream::new(),
    }
}

#[test]
fn the_readmes_program_expands_as_recorded() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/readme.rs");
    let mut found = String::from(
        "// What factum's macros generate for the README's program. A test writes it; to update it:\n\
         // UPDATE_GOLDEN=1 cargo test -p factum-macros\n",
    );
    for item in program().items {
        let made = expansion(&item);
        if made.is_empty() {
            continue;
        }
        let name = match &item {
            Item::Struct(item) => format!("struct {}", item.ident),
            _ => "#[handlers] impl BankAccount".to_owned(),
        };
        let made = prettyplease::unparse(&syn::parse2(made).expect("the generated code is Rust"));
        let _ = write!(found, "\n// ---- {name} ----\n\n{made}");
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(file, &found).expect("the golden file can be written");
    }
    let expected = std::fs::read_to_string(file).expect("the golden file is there");
    assert!(
        found == expected,
        "the generated code has changed; read the change: UPDATE_GOLDEN=1 cargo test -p factum-macros, then git diff"
    );
}

/// How much code each further version of an event costs, before serde's own derive for its struct.
#[test]
fn what_an_old_version_costs() {
    let size = |version: u32| {
        let renames = (2..=version).map(|since| format!("renamed(since = {since}, from = \"name{since}\")"));
        let changes = renames.collect::<Vec<_>>().join(", ");
        let text = format!(
            "#[event(version = {version})] struct Changed {{ #[event({changes})] name: String, one: u64, two: Option<u8>, \
             three: Vec<String> }}"
        );
        let input: DeriveInput = syn::parse_str(&text).expect("a struct");
        let made = collect(|errors| event(&input, errors));
        assert!(!made.to_string().contains("compile_error"), "{made}");
        made.to_string().len()
    };
    let (first, tenth, twentieth) = (size(1), size(10), size(20));
    println!("an event of 4 fields: {first} bytes; each old version: {} bytes", (twentieth - tenth) / 10);
    // Each version is read in one step: the cost of one does not grow with how many there are.
    let (early, late) = ((tenth - first) / 9, (twentieth - tenth) / 10);
    assert!(late < early + early / 4, "{early} bytes at first, {late} later");
}

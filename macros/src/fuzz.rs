//! Mutants of right items: no macro may panic or hang on one, and the output is Rust or has a message of ours.
//!
//! A short run is part of the tests. A long one, from another start:
//! `FACTUM_MUTANTS=1000000 FACTUM_SEED=7 cargo test --release -p factum-macros fuzz -- --nocapture`

use std::fs;
use std::panic::catch_unwind;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens as _, quote};
use syn::{Data, DeriveInput, Item};

use crate::errors::collect;
use crate::lengths::parse_item;
use crate::lock::Lock;
use crate::{
    Recipe, aggregate, aggregate_id, application, command, connect_handlers, event, event_schema, process,
    projection, reaction, timeout,
};

/// The programs whose items are mutated.
const PROGRAMS: [&str; 6] = [
    include_str!("../../tests/compile/pass/applications.rs"),
    include_str!("../../tests/compile/pass/lints.rs"),
    include_str!("../../tests/compile/pass/old_names.rs"),
    include_str!("../../tests/compile/pass/odd_shapes.rs"),
    include_str!("../../tests/compile/pass/signatures.rs"),
    include_str!("../../tests/compile/pass/taken_names.rs"),
];

/// What the crate of the mutants has released.
const LOCK: &str = "\
aggregate account event opened
aggregate account event closed
aggregate account retired gone
event opened 1 amount u32
event opened 1 branch String
event opened 2 amount u32
event opened 2 owner Option<String>
event opened 3 cents u16
event opened 3 owner Option<Owner> #00000000000000ff
event closed 4294967295 reason String
event renamed 1 gen u8
";

/// What is put into the place of tokens: keys, keywords, odd literals, punctuation.
const DICTIONARY: &str = r##"
    name version aliases removed previous since from with try_with ty added renamed changed default id error services
    commands events retired snapshot every older_than when command event derive serde crate into init partition_by stream
    starts timeouts by for unrefused aggregates json inline workers senders retry delay dead_letters sequenced store services
    reaction projection process internal refused
    singleton execute apply upcast project react factum handlers
    self Self super _ r#type gen async dyn impl use where const fn static unsafe extern mut ref pub in as if match loop
    struct enum union trait type for while return break let move box yield try macro_rules
    0 1 2 4294967295 4294967296 18446744073709551616 1.5 1_000u32 0x10 "" "a" "a b" "\0" "a/b" b"x" c"x" 'c' b'c' r#"x"#
    "crate" "r#type" "'" "\u{200b}" 'a 'static true
    , , = = : :: ; < > -> => ! & # ? .. ..= | + - * / . @ $ ~ ^ %
    () [] {} (()) [u8; 2] (a = 1) (a, b) (since = 2) &str Option<u8> Result<(), u8> #[execute] #[cfg(any())] #![allow(x)]
"##;

/// A macro of ours and tokens that it takes.
struct Seed {
    macro_name: &'static str,
    arguments: TokenStream,
    item: TokenStream,
}

const RECIPES: [(&str, Recipe); 10] = [
    ("Event", event),
    ("Command", command),
    ("AggregateId", aggregate_id),
    ("Aggregate", aggregate),
    ("EventSchema", event_schema),
    ("Projection", projection),
    ("Reaction", reaction),
    ("Application", application),
    ("Process", process),
    ("Timeout", timeout),
];

impl Seed {
    fn all() -> Vec<Self> {
        let files = PROGRAMS.iter().map(|program| syn::parse_file(program).expect("a program"));
        files.flat_map(|file| file.items).flat_map(Self::of).collect()
    }

    /// A seed for each of our macros on the item.
    fn of(mut item: Item) -> Vec<Self> {
        let attributes = match &mut item {
            Item::Impl(item) => &mut item.attrs,
            Item::Struct(item) => &mut item.attrs,
            Item::Enum(item) => &mut item.attrs,
            _ => return Vec::new(),
        };
        let ours: Vec<_> = attributes
            .extract_if(.., |attribute| {
                ["derive", "handlers"].iter().any(|name| attribute.path().is_ident(name))
            })
            .collect();
        let text = ours.iter().map(|attribute| attribute.to_token_stream().to_string()).collect::<String>();
        let has = |name: &&str| text.split(|char: char| !char.is_alphanumeric()).any(|word| word == *name);
        let names = RECIPES.iter().map(|(name, _)| *name).chain(["handlers"]).filter(has);
        let seed = |macro_name| Self {
            macro_name,
            arguments: quote!(crate = ::factum),
            item: item.to_token_stream(),
        };
        names.map(seed).collect()
    }

    /// Whether rustc would hand the item to the macro.
    fn is_item(&self) -> bool {
        if self.macro_name == "handlers" {
            syn::parse2::<Item>(self.item.clone()).is_ok()
        } else {
            // syn takes a field called `_`, and rustc does not.
            let named = |field: &syn::Field| field.ident.as_ref().is_none_or(|ident| ident != "_");
            syn::parse2::<DeriveInput>(self.item.clone()).is_ok_and(|item| match item.data {
                Data::Struct(data) => data.fields.iter().all(named),
                Data::Enum(data) => data.variants.iter().flat_map(|variant| &variant.fields).all(named),
                Data::Union(_) => true,
            })
        }
    }

    /// What the macro makes of the item.
    fn expand(&self) -> TokenStream {
        match RECIPES.iter().find(|(name, _)| *name == self.macro_name) {
            Some((_, recipe)) => collect(|errors| {
                let item = errors.ok(parse_item(self.item.clone()));
                item.map(|item| recipe(&item, errors)).unwrap_or_default()
            }),
            None => connect_handlers(self.arguments.clone(), self.item.clone()),
        }
    }

    /// The seed with one change that leaves it an item.
    fn mutated(&self, random: &mut Random, words: &[TokenTree]) -> Self {
        let Self { macro_name, arguments, item } = self;
        let (mut arguments, mut item) = (arguments.clone(), item.clone());
        if *macro_name == "handlers" && random.below(10) == 0 {
            arguments = random.mutate(arguments, words);
        } else {
            item = random.mutate(item, words);
        }
        let mutant = Self { macro_name, arguments, item };
        if mutant.is_item() { mutant } else { self.mutated(random, words) }
    }

    /// What is wrong with the output for this mutant.
    fn problem(&self) -> Option<String> {
        let (macro_name, text) = (self.macro_name, self.item.to_string());
        let mutant = format!("{macro_name} ({}) of: {text}", self.arguments);
        let Ok(made) = catch_unwind(|| self.expand()) else { return Some(format!("a panic of {mutant}")) };
        let is_right = made.to_string().contains("compile_error") || syn::parse2::<syn::File>(made).is_ok();
        (!is_right).then(|| format!("neither Rust nor a message from {mutant}"))
    }
}

/// Random numbers, the same in every run from one seed (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or_default() % end.max(1)
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }

    /// The tokens with one change, at any depth.
    fn mutate(&mut self, tokens: TokenStream, words: &[TokenTree]) -> TokenStream {
        let mut trees: Vec<_> = tokens.into_iter().collect();
        let at = self.below(trees.len());
        if let Some(TokenTree::Group(group)) = trees.get(at)
            && self.below(4) > 0
        {
            let inner = self.mutate(group.stream(), words);
            trees[at] = Group::new(group.delimiter(), inner).into();
            return trees.into_iter().collect();
        }
        let word = self.one(words).cloned();
        match (self.below(7), trees.get(at).cloned()) {
            (0, Some(_)) => drop(trees.remove(at)),
            (1, Some(tree)) => trees.insert(at, tree),
            (2, Some(_)) => {
                let other = self.below(trees.len());
                trees.swap(at, other);
            }
            (3, Some(_)) => trees.splice(at..=at, word).for_each(drop),
            (4, Some(TokenTree::Group(group))) => trees[at] = self.regrouped(&group).into(),
            (5, Some(TokenTree::Group(group))) => trees.splice(at..=at, group.stream()).for_each(drop),
            _ => trees.splice(at..at, word).for_each(drop),
        }
        trees.into_iter().collect()
    }

    fn regrouped(&mut self, group: &Group) -> Group {
        let delimiters = [Delimiter::Parenthesis, Delimiter::Bracket, Delimiter::Brace, Delimiter::None];
        match self.one(&delimiters) {
            Some(&delimiter) if delimiter != group.delimiter() => Group::new(delimiter, group.stream()),
            _ => Group::new(group.delimiter(), TokenStream::new()),
        }
    }
}

/// The mutant that is expanded, and how many were before: for the message if it hangs.
static PRESENT: Mutex<(u64, String)> = Mutex::new((0, String::new()));

/// Ends the process if one mutant takes a minute.
fn watch() {
    let mut earlier = 0;
    loop {
        std::thread::sleep(Duration::from_mins(1));
        let present = PRESENT.lock().expect("a mutant");
        if present.0 == earlier {
            eprintln!("hangs: {}", present.1);
            std::process::exit(1);
        }
        earlier = present.0;
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn right_items_expand_to_rust() {
    let seeds = Seed::all();
    assert!(seeds.len() > 60, "{}", seeds.len());
    for seed in seeds {
        assert_eq!(seed.problem(), None);
        let made = seed.expand().to_string();
        assert!(!made.contains("compile_error"), "{made}");
    }
}

/// A process of its own, because the macros look for `events.lock` where cargo says in the environment.
#[test]
fn mutants_make_no_macro_fail() {
    let folder = std::env::temp_dir().join(format!("factum-macros-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("events.lock"), LOCK).expect("a lock");
    let test = std::env::current_exe().expect("the test");
    let output = Command::new(test)
        .args(["--exact", "fuzz::in_a_crate_with_a_lock", "--ignored", "--nocapture"])
        .env("CARGO_MANIFEST_DIR", &folder)
        .output()
        .expect("the process of the mutants");
    fs::remove_dir_all(&folder).expect("the folder");
    let said = String::from_utf8_lossy(&output.stderr);
    println!("{said}{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success() && said.contains(" mutants"), "{said}");
}

#[test]
#[ignore = "`mutants_make_no_macro_fail` runs it, in a process with a lock"]
fn in_a_crate_with_a_lock() {
    let (mutants, seed) = (number("FACTUM_MUTANTS", 2_000), number("FACTUM_SEED", 1));
    let words: Vec<_> = DICTIONARY.parse::<TokenStream>().expect("tokens").into_iter().collect();
    let (seeds, mut random) = (Seed::all(), Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1));
    std::thread::spawn(watch);
    let mut problems = Vec::new();
    for count in 1..=mutants {
        let Some(seed) = random.one(&seeds) else { continue };
        let mut mutant = seed.mutated(&mut random, &words);
        for _ in 0..random.below(5) {
            mutant = mutant.mutated(&mut random, &words);
        }
        *PRESENT.lock().expect("a mutant") = (count, format!("{} of: {}", mutant.macro_name, mutant.item));
        problems.extend(mutant.problem());
        lock_is_read(&mut random);
    }
    eprintln!("{mutants} mutants");
    assert!(problems.is_empty(), "{}:\n{}", problems.len(), problems.join("\n\n"));
}

/// Reads a lock with some characters changed.
fn lock_is_read(random: &mut Random) {
    let mut lock: Vec<char> = LOCK.chars().collect();
    for _ in 0..=random.below(4) {
        let (at, chars) = (random.below(lock.len()), [' ', '\\', '#', '\n', '0', 'é', '\u{feff}', '<']);
        match (random.below(3), random.one(&chars)) {
            (0, Some(char)) => lock.insert(at, *char),
            (1, Some(char)) => lock[at] = *char,
            _ => drop(lock.remove(at)),
        }
    }
    drop(Lock::parse(&lock.into_iter().collect::<String>()));
}

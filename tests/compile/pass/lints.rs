//! A crate that denies what rustc allows by default.

#![deny(
    absolute_paths_not_starting_with_crate,
    ambiguous_negative_literals,
    closure_returning_async_block,
    deprecated_safe_2024,
    deref_into_dyn_supertrait,
    edition_2024_expr_fragment_specifier,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    ffi_unwind_calls,
    if_let_rescope,
    impl_trait_overcaptures,
    impl_trait_redundant_captures,
    keyword_idents_2018,
    keyword_idents_2024,
    let_underscore_drop,
    macro_use_extern_crate,
    meta_variable_misuse,
    missing_copy_implementations,
    missing_debug_implementations,
    missing_docs,
    missing_unsafe_on_extern,
    non_ascii_idents,
    redundant_imports,
    redundant_lifetimes,
    rust_2021_incompatible_closure_captures,
    rust_2021_incompatible_or_patterns,
    rust_2021_prefixes_incompatible_syntax,
    rust_2021_prelude_collisions,
    rust_2024_guarded_string_incompatible_syntax,
    rust_2024_incompatible_pat,
    rust_2024_prelude_collisions,
    single_use_lifetimes,
    tail_expr_drop_order,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unnameable_types,
    unreachable_pub,
    unsafe_attr_outside_unsafe,
    unsafe_code,
    unsafe_op_in_unsafe_fn,
    unstable_features,
    unused_extern_crates,
    unused_import_braces,
    unused_lifetimes,
    unused_macro_rules,
    unused_qualifications,
    unused_results,
    variant_size_differences,
    warnings
)]

use factum::prelude::*;
use serde::{Deserialize, Serialize};

/// An id.
#[derive(Debug, Clone, AggregateId)]
pub struct AccountId(String);

/// A command.
#[derive(Debug, Clone, Command, Serialize)]
pub struct Open {
    #[command(id)]
    account: AccountIdText,
    owner: Option<Owner>,
}

/// A text.
pub type AccountIdText = String;

/// A command.
#[derive(Debug, Command)]
pub struct Close(String);

/// A type in events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EventSchema)]
pub enum Owner {
    /// One.
    Person(String),
    /// Another.
    Company {
        /// How it is called.
        name: String,
    },
}

/// An event with three versions.
#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 3, aliases("begun"), removed(since = 2, name = "branch", ty = String))]
pub struct Opened {
    #[event(added(since = 2, default = None), changed(since = 3, from = Option<String>, with = |old: Option<String>| old.map(Owner::Person)))]
    owner: Option<Owner>,
    #[event(renamed(since = 3, from = "amount"), changed(since = 3, from = u32, try_with = u16::try_from))]
    cents: u16,
}

/// An event with a past as another struct.
#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2, previous = WasClosed)]
pub struct Closed {
    reason: String,
}

/// The past.
#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "closed")]
pub struct WasClosed(String);

impl From<WasClosed> for Closed {
    fn from(old: WasClosed) -> Self {
        Self { reason: old.0 }
    }
}

/// A retired event.
#[derive(Debug, Serialize, Deserialize, Event)]
pub struct Renewed {
    count: Vec<u8>,
}

/// Another.
#[derive(Debug, Serialize, Deserialize, Event)]
pub struct Dropped {
    count: Vec<u8>,
}

/// Services.
#[derive(Debug, Default)]
pub struct Clock(Vec<u64>);

/// An error.
#[derive(Debug, PartialEq)]
pub enum Refused {
    /// A reason.
    Closed(String),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed")
    }
}

impl std::error::Error for Refused {}

/// An aggregate.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, Aggregate)]
#[aggregate(
    id = AccountIdText,
    commands(Open, Close),
    events(Opened, Closed),
    retired(Renewed, Dropped, "gone"),
    error = Refused,
    services = Clock,
    snapshot(every = 10),
    command(derive(Debug)),
    event(derive(Debug, Serialize), serde(tag = "kind"))
)]
pub struct Account {
    cents: u64,
    owners: Vec<Owner>,
}

#[handlers]
impl Account {
    #[execute]
    fn open(&self, command: Open, clock: &Clock) -> Result<(Opened, Option<Closed>), Refused> {
        drop(command.account);
        Ok((Opened { owner: command.owner, cents: u16::try_from(clock.0.len()).unwrap_or(1) }, None))
    }

    #[execute]
    fn close(&self, command: Close) -> Closed {
        Closed { reason: command.0 }
    }

    #[apply]
    fn opened(&mut self, event: &Opened) {
        self.cents += u64::from(event.cents);
        self.owners.extend(event.owner.clone());
    }

    #[apply]
    fn closed(&mut self, event: &Closed) {
        self.owners.retain(|_| event.reason.is_empty());
    }

    #[upcast]
    fn renewed(event: Renewed) -> Result<Vec<Closed>, BoxError> {
        Ok(event.count.iter().map(|count| Closed { reason: count.to_string() }).collect())
    }
}

/// A view in memory.
#[derive(Debug, Default, Clone, Projection)]
#[projection(events(Opened, Closed), from(Account, "other"), partition_by = stream)]
pub struct View {
    names: Vec<String>,
}

#[handlers]
impl View {
    #[project]
    fn opened(&mut self, event: &Opened, key: &str) -> Result<(), BoxError> {
        self.names.push(format!("{key}{:?}", event.owner));
        Ok(())
    }

    #[project]
    fn closed(&mut self, event: &Closed, envelope: &Envelope<'_>) {
        self.names.push(format!("{}{}", event.reason, envelope.key));
    }
}

/// A view in a file.
#[derive(Debug, Default, Projection)]
#[projection(events(Opened), from(Account), into = Sqlite, version = 2, init = "CREATE TABLE seen (key TEXT)")]
pub struct Seen {
    names: Vec<String>,
}

#[handlers]
impl Seen {
    #[project]
    fn opened(
        &mut self,
        _: &Opened,
        key: &str,
        transaction: &rusqlite::Transaction<'_>,
    ) -> Result<(), BoxError> {
        let _ = transaction.execute("INSERT INTO seen VALUES (?1)", (key,))?;
        self.names.clear();
        Ok(())
    }
}

/// A reaction.
#[derive(Debug, Default, Reaction)]
#[reaction(events(Opened), from(Account), partition_by = stream)]
pub struct Mail {
    sent: Vec<String>,
}

#[handlers]
impl Mail {
    #[react]
    fn opened(&mut self, event: &Opened, envelope: &Envelope<'_>, delivery: &Delivery) {
        self.sent.push(format!("{}{}{delivery:?}", event.cents, envelope.key));
    }
}

fn main() {}

//! `derive(Aggregate)`.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident};
use syn::parse::{Parse, ParseStream};
use syn::{DeriveInput, Ident, LitStr, Path, Token, Type};

use super::SnapshotSyntax;
use crate::attributes::{Given, Keys, List, ModPath, Options, TypePath};
use crate::errors::Errors;

const KEYS: Keys = Keys {
    known: &[
        "name", "id", "error", "services", "commands", "events", "retired", "snapshot", "command", "event",
        "crate",
    ],
    // One of two may be a slip for `commands` or `events`: `plural` looks.
    repeating: &["command", "event"],
    elsewhere: &[
        (&["every", "older_than", "when"], "into `snapshot(..)`"),
        (&["derive", "serde"], "into `event(..)` or `command(..)`, for the generated enum"),
    ],
};

pub(crate) struct AggregateSyntax<'i> {
    pub(crate) input: &'i DeriveInput,
    pub(crate) krate: Path,
    pub(crate) name: LitStr,
    pub(crate) id: Given<Type>,
    pub(crate) error: Given<Type>,
    pub(crate) services: Given<Type>,
    pub(crate) commands: Given<List<ListedSyntax>>,
    pub(crate) events: Given<List<ListedSyntax>>,
    pub(crate) retired: Given<List<Retired>>,
    pub(crate) snapshot: Option<SnapshotSyntax<'i>>,
    pub(crate) command_enum: GeneratedEnum,
    pub(crate) event_enum: GeneratedEnum,
}

/// A type in `commands(..)` or `events(..)`, and the variant that holds it: `billing::Opened as BillOpened`.
pub(crate) struct ListedSyntax {
    pub(crate) path: Path,
    pub(crate) variant: Ident,
}

/// A retired event in `retired(..)`.
pub(crate) enum Retired {
    /// Its type, which may be read as other events.
    Type(Path),
    /// Its name, which is read as nothing.
    Name(LitStr),
}

/// The options of a generated enum.
pub(crate) struct GeneratedEnum {
    pub(crate) ident: Ident,
    pub(crate) derives: Vec<Path>,
    pub(crate) serde: Option<TokenStream>,
}

impl<'i> AggregateSyntax<'i> {
    pub(crate) fn parse(input: &'i DeriveInput, errors: &mut Errors) -> Self {
        let mut options = Options::parse(&input.attrs, "aggregate", KEYS, errors);
        let krate = options.krate(errors);
        options.plural("command", "commands", errors);
        options.plural("event", "events", errors);
        let name = options.stored_name(&input.ident, errors);
        let id = options.ty("id", errors);
        let commands = options.list("commands", "OpenAccount, ..", errors);
        let events = options.list("events", "AccountOpened, ..", errors);
        let retired = options.list("retired", "OldEvent, \"old-name\"", errors);
        let (error, services) = (options.ty("error", errors), options.ty("services", errors));
        let aggregate = Self {
            input,
            krate,
            name,
            id: options.given("id", id),
            error: options.given("error", error),
            services: options.given("services", services),
            commands: options.given("commands", commands),
            events: options.given("events", events),
            retired: options.given("retired", retired),
            snapshot: SnapshotSyntax::parse(input, &mut options, errors),
            command_enum: GeneratedEnum::parse(&mut options, "command", &input.ident, errors),
            event_enum: GeneratedEnum::parse(&mut options, "event", &input.ident, errors),
        };
        options.finish();
        aggregate
    }
}

impl Parse for ListedSyntax {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let TypePath(path) = input.parse()?;
        let variant = if input.parse::<Option<Token![as]>>()?.is_some() {
            input.parse().map_err(|error| syn::Error::new(error.span(), "write `Type as Variant`"))?
        } else {
            match path.segments.last() {
                Some(last) => last.ident.clone(),
                None => return Err(syn::Error::new_spanned(path, "expected the path of a type")),
            }
        };
        Ok(Self { path, variant })
    }
}

impl Parse for Retired {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            input.parse().map(Self::Name)
        } else {
            input.parse().map(|TypePath(path)| Self::Type(path))
        }
    }
}

impl Retired {
    pub(crate) fn event(&self) -> Option<&Path> {
        match self {
            Self::Type(path) => Some(path),
            Self::Name(_) => None,
        }
    }
}

impl GeneratedEnum {
    pub(super) fn parse(
        options: &mut Options,
        key: &'static str,
        beside: &Ident,
        errors: &mut Errors,
    ) -> Self {
        let suffix = if key == "command" { "Command" } else { "Event" };
        let mut generated = Self {
            ident: format_ident!("{}{suffix}", beside, span = beside.span()),
            derives: Vec::new(),
            serde: None,
        };
        if let Some((_, mut nested)) = options.options(key, &["name", "derive", "serde"], "..", errors) {
            if let Some(given) = nested.assigned("name", "Name", errors) {
                generated.ident = given;
            }
            if let Some(given) = nested.list("derive", "Clone, ..", errors) {
                generated.derives = given.items.into_iter().map(|ModPath(path)| path).collect();
            }
            if let Some((serde, tokens)) = nested.tokens("serde", "..", errors) {
                let is_unknown = generated.derives.is_empty()
                    && matches!(nested.given("derive", None::<()>), Given::Invalid);
                if is_unknown || generated.derives.iter().any(may_know_serde) {
                    generated.serde = Some(tokens);
                } else {
                    errors.at(
                        &serde,
                        "`serde(..)` is for a derive of serde: add `derive(Serialize, Deserialize)` beside it",
                    );
                }
            }
            nested.finish();
        }
        generated
    }
}

/// Whether a derive may read `#[serde(..)]`: those of the standard library do not.
fn may_know_serde(derive: &Path) -> bool {
    const STANDARD: [&str; 9] =
        ["Clone", "Copy", "Debug", "Default", "Eq", "Hash", "Ord", "PartialEq", "PartialOrd"];
    derive.segments.last().is_some_and(|last| STANDARD.iter().all(|name| last.ident != name))
}

impl ToTokens for Retired {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Type(path) => path.to_tokens(tokens),
            Self::Name(name) => name.to_tokens(tokens),
        }
    }
}

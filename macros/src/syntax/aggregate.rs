//! `derive(Aggregate)`.

use proc_macro2::TokenStream;
use quote::format_ident;
use syn::parse::{Parse, ParseStream};
use syn::{DeriveInput, Ident, LitStr, Path, Token, Type};

use super::SnapshotSyntax;
use crate::attributes::{Given, List, ModPath, Options};
use crate::errors::Errors;

const KEYS: &[&str] = &[
    "name", "id", "error", "services", "commands", "events", "retired", "snapshot", "command", "event",
    "crate",
];

pub(crate) struct AggregateSyntax<'i> {
    pub(crate) input: &'i DeriveInput,
    pub(crate) krate: Path,
    pub(crate) name: LitStr,
    pub(crate) id: Given<Type>,
    pub(crate) error: Option<Type>,
    pub(crate) services: Option<Type>,
    pub(crate) commands: Given<List<ListedSyntax>>,
    pub(crate) events: Given<List<ListedSyntax>>,
    pub(crate) retired: Vec<Retired>,
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
        let aggregate = Self {
            input,
            krate,
            name,
            id: options.given("id", id),
            error: options.ty("error", errors),
            services: options.ty("services", errors),
            commands: options.given("commands", commands),
            events: options.given("events", events),
            retired: options
                .list("retired", "OldEvent, \"old-name\"", errors)
                .map(|list| list.items)
                .unwrap_or_default(),
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
        let path = Path::parse_mod_style(input)?;
        if let Some(last) = path.segments.last()
            && ["crate", "self", "super", "Self"].iter().any(|keyword| last.ident == keyword)
        {
            let message = format!("`{}` is not the name of a type: list each type by its path", last.ident);
            return Err(syn::Error::new_spanned(&path, message));
        }
        let variant = if input.parse::<Option<Token![as]>>()?.is_some() {
            input.parse()?
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
            Path::parse_mod_style(input).map(Self::Type)
        }
    }
}

impl GeneratedEnum {
    fn parse(options: &mut Options, key: &'static str, aggregate: &Ident, errors: &mut Errors) -> Self {
        let suffix = if key == "command" { "Command" } else { "Event" };
        let mut generated = Self {
            ident: format_ident!("{}{suffix}", aggregate, span = aggregate.span()),
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
            generated.serde = nested.tokens("serde", "..", errors).map(|(_, tokens)| tokens);
            nested.finish();
        }
        generated
    }
}

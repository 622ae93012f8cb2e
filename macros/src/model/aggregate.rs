//! An aggregate.

use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

use proc_macro2::TokenStream;
use quote::format_ident;
use syn::parse::{Parse, ParseStream};
use syn::{DeriveInput, Generics, Ident, LitStr, Path, Token, Type, Visibility};

use super::snapshot::Snapshot;
use crate::errors::Errors;
use crate::lock::{self, Lock};
use crate::options::{ModPath, Options};
use crate::text::kebab;
use crate::{check, docs};

const KEYS: &[&str] = &[
    "name", "id", "error", "services", "commands", "events", "retired", "snapshot", "command", "event",
    "crate",
];

pub(crate) struct Aggregate {
    pub(crate) krate: Path,
    pub(crate) ident: Ident,
    pub(crate) vis: Visibility,
    pub(crate) name: LitStr,
    pub(crate) id: Type,
    pub(crate) error: Type,
    pub(crate) services: Type,
    pub(crate) commands: Vec<Listed>,
    pub(crate) events: Vec<Listed>,
    /// What has been told of a list that is missing or empty.
    pub(crate) unlisted: Option<TokenStream>,
    /// What has been told, if its impls can't be made at all, and the generic parameters that it should not have.
    pub(crate) wrong: Option<(TokenStream, Generics)>,
    pub(crate) retired: Vec<Retired>,
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) command_enum: GeneratedEnum,
    pub(crate) event_enum: GeneratedEnum,
    /// What structs beside it say of themselves, where that matters.
    pub(crate) docs: HashMap<String, TokenStream>,
    /// What was recorded of it, if the crate has a lock.
    pub(crate) lock: Option<(PathBuf, Rc<Lock>)>,
}

/// A type in `commands(..)` or `events(..)`, and the variant that holds it: `billing::Opened as BillOpened`.
pub(crate) struct Listed {
    pub(crate) path: Path,
    pub(crate) variant: Ident,
}

/// What happens no more, in `retired(..)`.
pub(crate) enum Retired {
    /// An event type, which may be read as others.
    Type(Path),
    /// The name of one, which is read as nothing.
    Name(LitStr),
}

/// What a user says of a generated enum.
pub(crate) struct GeneratedEnum {
    pub(crate) ident: Ident,
    pub(crate) derives: Vec<Path>,
    pub(crate) serde: Option<TokenStream>,
}

impl Aggregate {
    pub(crate) fn parse(input: &DeriveInput, errors: &mut Errors) -> Self {
        let mut options = Options::parse(&input.attrs, "aggregate", KEYS, errors);
        let krate = options.krate(errors);
        options.plural("command", "commands", errors);
        options.plural("event", "events", errors);
        let name = options
            .string("name", errors)
            .unwrap_or_else(|| LitStr::new(&kebab(&input.ident.to_string()), input.ident.span()));
        let id = options.ty("id", errors);
        let commands = options.list("commands", "OpenAccount, ..", errors);
        let events = options.list("events", "AccountOpened, ..", errors);
        check::required(input, &options, "id", "id = AccountId", errors);
        check::required(input, &options, "commands", "commands(OpenAccount, ..)", errors);
        check::required(input, &options, "events", "events(AccountOpened, ..)", errors);
        let commands = check::listed(commands, "commands", "OpenAccount", errors);
        let events = check::listed(events, "events", "AccountOpened", errors);
        let unlisted = if commands.is_empty() || events.is_empty() { errors.first() } else { None };
        // An id that is missing is most likely that of the commands.
        let id = id.or_else(|| {
            let first = &commands.first()?.path;
            Some(syn::parse_quote!(<#first as #krate::Command>::Id))
        });
        let mut aggregate = Self {
            krate,
            ident: input.ident.clone(),
            vis: input.vis.clone(),
            name,
            id: id.unwrap_or_else(|| syn::parse_quote!(())),
            error: options
                .ty("error", errors)
                .unwrap_or_else(|| syn::parse_quote!(::core::convert::Infallible)),
            services: options.ty("services", errors).unwrap_or_else(|| syn::parse_quote!(())),
            commands,
            events,
            unlisted,
            wrong: None,
            retired: options
                .list("retired", "OldEvent, \"old-name\"", errors)
                .map(|(_, list)| list)
                .unwrap_or_default(),
            snapshot: Snapshot::parse(input, &mut options, errors),
            command_enum: GeneratedEnum::parse(&mut options, "command", &input.ident, errors),
            event_enum: GeneratedEnum::parse(&mut options, "event", &input.ident, errors),
            docs: docs::beside(&input.ident),
            lock: lock::of_this_crate(&input.ident, errors),
        };
        options.finish();
        if !check::aggregate(input, &aggregate, errors) {
            aggregate.wrong = errors.first().map(|error| (error, input.generics.clone()));
        }
        aggregate
    }
}

impl Parse for Listed {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let path = Path::parse_mod_style(input)?;
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
        let mut ident = format_ident!("{}{suffix}", aggregate, span = aggregate.span());
        let mut derives = Vec::new();
        let mut serde = None;
        if let Some(mut nested) = options.options(key, &["name", "derive", "serde"], errors) {
            if let Some(given) = nested.ident("name", errors) {
                ident = given;
            }
            if let Some((_, given)) = nested.list::<ModPath>("derive", "Clone, ..", errors) {
                derives = given.into_iter().map(|ModPath(path)| path).collect();
            }
            serde = nested.tokens("serde", errors);
            nested.finish();
        }
        Self { ident, derives, serde }
    }
}

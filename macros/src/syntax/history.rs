//! The changes that an event declares: on its fields, and on the struct for removed fields.

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::{Attribute, Data, Ident, LitInt, LitStr, Member, Path, Type};

use super::SerdeOption;
use super::serde::serde_options;
use crate::attributes::{Given, Keys, Options};
use crate::errors::Errors;

pub(crate) struct HistorySyntax {
    pub(crate) fields: Vec<FieldSyntax>,
    pub(crate) removed: Vec<RemovedSyntax>,
    pub(crate) previous: Option<PreviousSyntax>,
}

/// A field of the present struct.
pub(crate) struct FieldSyntax {
    pub(crate) member: Member,
    pub(crate) ty: Type,
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) serde: Vec<SerdeOption>,
    pub(crate) changes: Vec<ChangeSyntax>,
}

/// `added(..)`, `renamed(..)` or `changed(..)` on a field.
pub(crate) struct ChangeSyntax {
    pub(crate) key: Ident,
    pub(crate) since: Given<LitInt>,
    pub(crate) kind: ChangeKindSyntax,
}

pub(crate) enum ChangeKindSyntax {
    Added { default: Given<TokenStream> },
    Renamed { from: Given<LitStr> },
    Changed { from: Given<Box<Type>>, with: Given<TokenStream>, try_with: Given<TokenStream> },
}

/// `removed(..)` on the struct.
pub(crate) struct RemovedSyntax {
    pub(crate) key: Ident,
    pub(crate) since: Given<LitInt>,
    pub(crate) name: Given<LitStr>,
    pub(crate) ty: Given<Type>,
    pub(crate) added: Option<LitInt>,
}

pub(crate) enum PreviousSyntax {
    /// `previous = Path`
    Path(Path),
    /// `previous(since = 3, from = Path)`
    Since { key: Ident, since: Given<LitInt>, path: Given<Path> },
}

const FIELD_KEYS: Keys = Keys {
    known: &["added", "renamed", "changed"],
    repeating: &["added", "renamed", "changed"],
    elsewhere: &[
        (
            &["name", "version", "aliases", "removed", "previous", "crate"],
            "on the struct, in its own `#[event(..)]`",
        ),
        (&["since", "default"], "into `added(..)`, `renamed(..)` or `changed(..)`"),
        (&["from", "with", "try_with"], "into `changed(..)` or `renamed(..)`"),
    ],
};
const REMOVED: &[&str] = &["since", "name", "ty", "added"];
const PREVIOUS: &[&str] = &["since", "from"];
const CHANGES: &[(&str, &[&str])] = &[
    ("added", &["since", "default"]),
    ("renamed", &["since", "from"]),
    ("changed", &["since", "from", "with", "try_with"]),
];

impl HistorySyntax {
    /// Takes `removed(..)` and `previous` out of the struct's options, and reads the attributes of its fields.
    pub(super) fn parse(
        data: &Data,
        attribute: &'static str,
        options: &mut Options,
        errors: &mut Errors,
    ) -> Self {
        let removed = options
            .in_order(&[("removed", REMOVED)], errors)
            .into_iter()
            .map(|(key, options)| RemovedSyntax::parse(key, options, errors))
            .collect();
        let previous = PreviousSyntax::parse(options, errors);
        let mut fields = Vec::new();
        if let Data::Struct(data) = data {
            for (member, field) in data.fields.members().zip(&data.fields) {
                let cfgs = field.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg"));
                fields.push(FieldSyntax {
                    member,
                    ty: field.ty.clone(),
                    cfgs: cfgs.cloned().collect(),
                    serde: serde_options(&field.attrs),
                    changes: ChangeSyntax::parse_all(&field.attrs, attribute, errors),
                });
            }
        }
        Self { fields, removed, previous }
    }
}

impl FieldSyntax {
    /// The field's name in messages.
    pub(crate) fn shown(&self) -> String {
        self.member.to_token_stream().to_string()
    }

    pub(crate) fn serde_option(&self, name: &str) -> Option<&SerdeOption> {
        self.serde.iter().find(|option| option.name == name)
    }
}

impl ChangeSyntax {
    fn parse_all(attributes: &[Attribute], attribute: &'static str, errors: &mut Errors) -> Vec<Self> {
        let mut options = Options::parse(attributes, attribute, FIELD_KEYS, errors);
        let nested = options.in_order(CHANGES, errors).into_iter();
        let changes = nested.map(|(key, options)| Self::parse(key, options, errors)).collect();
        options.finish();
        changes
    }

    fn parse(key: Ident, mut options: Options, errors: &mut Errors) -> Self {
        let since = since(&mut options, errors);
        let kind = if key == "added" {
            let default = options.expression("default", errors);
            ChangeKindSyntax::Added { default: options.given("default", default) }
        } else if key == "renamed" {
            let from = options.string("from", errors);
            ChangeKindSyntax::Renamed { from: options.given("from", from) }
        } else {
            let from = options.ty("from", errors).map(Box::new);
            let with = options.function("with", errors);
            let try_with = options.function("try_with", errors);
            ChangeKindSyntax::Changed {
                from: options.given("from", from),
                with: options.given("with", with),
                try_with: options.given("try_with", try_with),
            }
        };
        options.finish();
        Self { key, since, kind }
    }
}

impl RemovedSyntax {
    fn parse(key: Ident, mut options: Options, errors: &mut Errors) -> Self {
        let since = since(&mut options, errors);
        let name = options.string("name", errors);
        let ty = options.ty("ty", errors);
        let removed = Self {
            key,
            since,
            name: options.given("name", name),
            ty: options.given("ty", ty),
            added: options.integer("added", errors),
        };
        options.finish();
        removed
    }
}

impl PreviousSyntax {
    fn parse(options: &mut Options, errors: &mut Errors) -> Option<Self> {
        if !options.is_list("previous") {
            return options.path("previous", errors).map(Self::Path);
        }
        let (key, mut nested) = options.options("previous", PREVIOUS, "..", errors)?;
        let since = since(&mut nested, errors);
        let path = nested.path("from", errors);
        let path = nested.given("from", path);
        nested.finish();
        Some(Self::Since { key, since, path })
    }
}

fn since(options: &mut Options, errors: &mut Errors) -> Given<LitInt> {
    let since = options.integer("since", errors);
    options.given("since", since)
}

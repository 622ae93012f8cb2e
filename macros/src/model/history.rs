//! How an event came to its present shape: what was declared of its fields, version by version.

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::{Attribute, Data, DeriveInput, Ident, LitInt, LitStr, Member, Path, Type};

use crate::check;
use crate::errors::Errors;
use crate::options::Options;

/// All that was ever declared to have changed.
pub(crate) struct History {
    pub(crate) fields: Vec<Field>,
    pub(crate) removed: Vec<Removed>,
    /// The event one version below, if a version was made anew.
    pub(crate) previous: Option<Previous>,
}

/// A field of the present struct.
pub(crate) struct Field {
    pub(crate) member: Member,
    pub(crate) ty: Type,
    /// Its `serde` and `cfg` attributes.
    pub(crate) attributes: Vec<Attribute>,
    /// What has become of it, oldest first.
    pub(crate) changes: Vec<Change>,
}

/// One thing that has happened to a field.
pub(crate) struct Change {
    pub(crate) since: Since,
    pub(crate) kind: ChangeKind,
}

pub(crate) enum ChangeKind {
    /// It was not there; older events get this value.
    Added { default: TokenStream },
    /// It had another name.
    Renamed { from: LitStr },
    /// It had another type or meaning.
    Changed { from: Box<Type>, with: Conversion },
}

/// How an old value becomes a new one.
pub(crate) enum Conversion {
    Sure(TokenStream),
    Fallible(TokenStream),
}

/// A field that is no more.
pub(crate) struct Removed {
    pub(crate) since: Since,
    pub(crate) name: LitStr,
    pub(crate) ty: Type,
    /// The version that it came with, if it was not there from the first.
    pub(crate) added: Option<Since>,
}

/// The struct that the event was before it was made anew.
pub(crate) struct Previous {
    pub(crate) since: u32,
    pub(crate) path: Path,
}

/// A version, and the token that says so.
pub(crate) struct Since {
    pub(crate) version: u32,
    pub(crate) token: LitInt,
}

const REMOVED: &[&str] = &["since", "name", "ty", "added"];
const PREVIOUS: &[&str] = &["since", "from"];
const CHANGES: &[(&str, &[&str])] = &[
    ("added", &["since", "default"]),
    ("renamed", &["since", "from"]),
    ("changed", &["since", "from", "with", "try_with"]),
];

impl History {
    /// What the struct's own options, and the attributes of its fields, say. `version` is the present one.
    pub(crate) fn parse(
        input: &DeriveInput,
        options: &mut Options,
        version: u32,
        errors: &mut Errors,
    ) -> Self {
        let removed = options
            .in_order(&[("removed", REMOVED)], errors)
            .into_iter()
            .filter_map(|(key, options)| Removed::parse(&key, options, version, errors))
            .collect();
        let previous = Previous::parse(options, version, errors);
        let mut fields = Vec::new();
        if let Data::Struct(data) = &input.data {
            for (member, field) in data.fields.members().zip(&data.fields) {
                fields.push(Field {
                    member,
                    ty: field.ty.clone(),
                    attributes: field
                        .attrs
                        .iter()
                        .filter(|attribute| {
                            attribute.path().is_ident("serde") || attribute.path().is_ident("cfg")
                        })
                        .cloned()
                        .collect(),
                    changes: Change::parse_all(&field.attrs, version, errors),
                });
            }
        }
        Self { fields, removed, previous }
    }

    /// The first version that is read by way of its declared changes. Those before are read as the previous struct.
    pub(crate) fn first_version(&self) -> u32 {
        self.previous.as_ref().map_or(1, |previous| previous.since)
    }

    /// Fields that are gone by now and were there at `version`.
    pub(crate) fn removed_at(&self, version: u32) -> impl Iterator<Item = &Removed> {
        self.removed.iter().filter(move |removed| {
            let was_there = removed.added.as_ref().is_none_or(|added| added.version <= version);
            removed.since.version > version && was_there
        })
    }

    /// The versions in which something is declared to have changed.
    pub(crate) fn changed_versions(&self) -> impl Iterator<Item = u32> {
        let fields = self.fields.iter().flat_map(|field| &field.changes).map(|change| change.since.version);
        let removed = self.removed.iter().flat_map(|removed| {
            [Some(removed.since.version), removed.added.as_ref().map(|added| added.version)]
        });
        let previous = self.previous.as_ref().map(|previous| previous.since);
        fields.chain(removed.flatten()).chain(previous)
    }
}

impl Change {
    fn parse_all(attributes: &[Attribute], version: u32, errors: &mut Errors) -> Vec<Self> {
        let known = &["added", "renamed", "changed"];
        let mut options = Options::parse_repeating(attributes, "event", known, known, errors);
        let mut changes = Vec::new();
        for (key, mut nested) in options.in_order(CHANGES, errors) {
            let change = Self::parse(&key, &mut nested, version, errors);
            nested.finish();
            changes.extend(change);
        }
        options.finish();
        check::changes(&changes, errors);
        changes
    }

    fn parse(key: &Ident, options: &mut Options, version: u32, errors: &mut Errors) -> Option<Self> {
        let since = Since::parse(key, options, version, errors);
        let kind = if key == "added" {
            let default = options.expression("default", errors);
            check::given(key, options, "default", "default = Currency::Usd", errors);
            default.map(|default| ChangeKind::Added { default })
        } else if key == "renamed" {
            let from = options.string("from", errors);
            check::given(key, options, "from", "from = \"old_name\"", errors);
            from.map(|from| ChangeKind::Renamed { from })
        } else {
            let from = options.ty("from", errors);
            check::given(key, options, "from", "from = OldType", errors);
            let sure = options.expression("with", errors);
            let fallible = options.expression("try_with", errors);
            let with = check::one_conversion(key, options, sure, fallible, errors);
            from.zip(with).map(|(from, with)| ChangeKind::Changed { from: Box::new(from), with })
        };
        Some(Self { since: since?, kind: kind? })
    }
}

impl Removed {
    fn parse(key: &Ident, mut options: Options, version: u32, errors: &mut Errors) -> Option<Self> {
        let since = Since::parse(key, &mut options, version, errors);
        let name = options.string("name", errors);
        check::given(key, &options, "name", "name = \"branch\"", errors);
        let ty = options.ty("ty", errors);
        check::given(key, &options, "ty", "ty = String", errors);
        let added = options.integer("added", errors);
        options.finish();
        let added = match added {
            Some(token) => Some(Since::new(token, version, errors)?),
            None => None,
        };
        let removed = Self { since: since?, name: name?, ty: ty?, added };
        check::removed(&removed, errors).then_some(removed)
    }
}

impl Previous {
    /// `previous = Path`, which is since the present version, or `previous(since = 3, from = Path)`.
    fn parse(options: &mut Options, version: u32, errors: &mut Errors) -> Option<Self> {
        if !options.is_list("previous") {
            let path = options.path("previous", errors)?;
            return check::has_a_past(&path, version, errors).then_some(Self { since: version, path });
        }
        let mut nested = options.options("previous", PREVIOUS, errors)?;
        let key = Ident::new("previous", proc_macro2::Span::call_site());
        let since = Since::parse(&key, &mut nested, version, errors);
        let path = nested.path("from", errors);
        nested.finish();
        Some(Self { since: since?.version, path: path? })
    }
}

impl Since {
    fn parse(key: &Ident, options: &mut Options, version: u32, errors: &mut Errors) -> Option<Self> {
        let token = options.integer("since", errors);
        check::given(key, options, "since", "since = 2", errors);
        Self::new(token?, version, errors)
    }

    fn new(token: LitInt, version: u32, errors: &mut Errors) -> Option<Self> {
        check::since(&token, version, errors).map(|version| Self { version, token })
    }
}

impl Field {
    /// Whether the field is there at all, in this build.
    pub(crate) fn cfgs(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"))
    }

    /// How the field is called in messages.
    pub(crate) fn shown(&self) -> String {
        self.member.to_token_stream().to_string()
    }
}

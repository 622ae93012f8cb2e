//! A field as it was at an old version of its event.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt as _;
use syn::parse::Parser as _;
use syn::{Ident, Member, Type};

use super::serde::{SerdeOption, serde_options};
use super::shape::type_text;
use super::{Change, ChangeKind, Field};

/// A field of the present struct at an old version.
pub(crate) struct Past<'a> {
    /// What it was, if it was there.
    pub(crate) present: Option<Present<'a>>,
    /// What has happened to it since, oldest first.
    pub(crate) since: Vec<&'a Change>,
}

pub(crate) struct Present<'a> {
    pub(crate) member: Member,
    pub(crate) ty: &'a Type,
    /// What serde is told of it.
    pub(crate) serde: Vec<SerdeOption>,
    field: &'a Field,
}

impl<'a> Past<'a> {
    /// All fields of an event as they were at `version`. What was not there yet does not count in a tuple.
    pub(crate) fn all(fields: &'a [Field], version: u32) -> Vec<Self> {
        let mut all: Vec<Self> = fields.iter().map(|field| Self::new(field, version)).collect();
        let unnamed = all.iter_mut().filter_map(|past| match past.present.as_mut()?.member {
            Member::Named(_) => None,
            Member::Unnamed(ref mut index) => Some(index),
        });
        for (number, index) in (0..).zip(unnamed) {
            index.index = number;
        }
        all
    }

    fn new(field: &'a Field, version: u32) -> Self {
        let since: Vec<&Change> =
            field.changes.iter().filter(|change| change.since.version > version).collect();
        let absent = since.first().is_some_and(|change| matches!(change.kind, ChangeKind::Added { .. }));
        let present = (!absent).then(|| Present::new(field, &since));
        Self { present, since }
    }
}

impl<'a> Present<'a> {
    fn new(field: &'a Field, since: &[&'a Change]) -> Self {
        // The oldest of the changes still to come tells what it was at the time.
        let old_name = since.iter().find_map(|change| match &change.kind {
            ChangeKind::Renamed { from } => Some(from),
            _ => None,
        });
        let old_type = old_type(since);
        let mut options = serde_options(&field.attributes);
        let mut member = field.member.clone();
        if let Some(from) = old_name {
            let was_renamed = options.iter().any(|option| option.name == "rename");
            options.retain(|option| option.name != "rename");
            match identifier(&from.value()) {
                // `rename_all` does to the old name what it does to the new one.
                Some(ident) if !was_renamed => member = Member::Named(ident),
                _ => {
                    options
                        .push(SerdeOption { name: format_ident!("rename"), tokens: quote!(rename = #from) });
                    // Another field may have had this one's present name.
                    member = Member::Named(format_ident!("__{}", field.shown().trim_start_matches("r#")));
                }
            }
        }
        if old_type.is_some_and(|old_type| type_text(old_type) != type_text(&field.ty)) {
            // These speak of the present type: functions that make or write one.
            let of_type = ["with", "deserialize_with", "serialize_with", "bound", "borrow"];
            options.retain(|option| {
                let is_path = option.name == "default" && option.tokens.to_string() != "default";
                !is_path && of_type.iter().all(|of_type| option.name != of_type)
            });
        }
        Self { member, ty: old_type.unwrap_or(&field.ty), serde: options, field }
    }

    /// Its attributes, in the struct of its version.
    pub(crate) fn attributes(&self) -> Vec<TokenStream> {
        let cfgs = self.field.cfgs().map(ToTokens::to_token_stream);
        let options = self.serde.iter().map(|option| &option.tokens);
        cfgs.chain([quote!(#[serde(#(#options),*)])]).collect()
    }
}

/// The type that a field had before all of these changes, if one of them changed it.
pub(crate) fn old_type<'a>(changes: &[&'a Change]) -> Option<&'a Type> {
    changes.iter().find_map(|change| match &change.kind {
        ChangeKind::Changed { from, .. } => Some(&**from),
        _ => None,
    })
}

/// A name as an identifier; a keyword as a raw one, where there is such a thing.
fn identifier(name: &str) -> Option<Ident> {
    let ident = Ident::parse_any.parse_str(name).ok()?;
    if syn::parse_str::<Ident>(name).is_ok() {
        return Some(ident);
    }
    let never_raw = ["self", "Self", "super", "crate", "_"];
    (!never_raw.contains(&name)).then(|| Ident::new_raw(name, ident.span()))
}

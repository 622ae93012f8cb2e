//! What an event must be like.

use std::collections::{BTreeMap, HashSet};

use syn::Type;

use super::history::History;
use super::{Version, items, recorded, whole_history};
use crate::errors::{Errors, shown};
use crate::lock::{self, LockFile};
use crate::syntax::{EventSyntax, Given, SerdeOption, find_part, type_name};

pub(crate) struct Event<'s> {
    pub(crate) syntax: &'s EventSyntax<'s>,
    pub(crate) version: u32,
    pub(crate) history: History<'s>,
    /// The event at every version that its struct can read by itself, up to the present one.
    pub(crate) versions: BTreeMap<u32, Version<'s>>,
    /// The crate's `events.lock`, if it has one.
    pub(crate) lock: Option<LockFile>,
}

/// The event, if its impl can be made.
pub(crate) fn event<'s>(syntax: &'s EventSyntax<'s>, errors: &mut Errors) -> Option<Event<'s>> {
    // Against a wrong version, every declared change would look wrong as well.
    if matches!(syntax.version, Given::Invalid) {
        return None;
    }
    let version = items::version(syntax.version.value(), errors)?;
    let history = History::check(syntax, version, errors);
    let lock = lock::of_this_crate(&syntax.input.ident, errors);
    names(syntax, errors);
    stores_every_field(syntax, errors);
    let can_be_read = items::plain_struct(syntax.input, syntax.noun(), errors)
        && owns_its_data(syntax, errors)
        && whole_history::check(syntax, &history, version, errors);
    if !can_be_read {
        return None;
    }
    let versions = Version::all(syntax, &history, version);
    if !whole_history::one_field_of_each_name(syntax, &history, &versions, errors) {
        return None;
    }
    let event = Event { syntax, version, history, versions, lock };
    if let Some(file) = &event.lock {
        recorded::compare(&event, &file.lock, errors);
    }
    Some(event)
}

impl Event<'_> {
    /// The version to write in advice. The greatest `u32` has a next one too.
    pub(crate) fn next_version(&self) -> u64 {
        u64::from(self.version) + 1
    }

    /// All names that stored events of this type may have.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        std::iter::once(&self.syntax.name).chain(&self.syntax.aliases).map(syn::LitStr::value)
    }
}

fn names(syntax: &EventSyntax<'_>, errors: &mut Errors) {
    items::name(&syntax.name, errors);
    let mut names = HashSet::from([syntax.name.value()]);
    for alias in &syntax.aliases {
        items::name(alias, errors);
        if !names.insert(alias.value()) {
            errors.at(alias, "the event has this name already");
        }
    }
}

/// What is decided on and applied now must be what is read again later.
fn stores_every_field(syntax: &EventSyntax<'_>, errors: &mut Errors) {
    let options = syntax.history.fields.iter().flat_map(|field| &field.serde);
    for option in options.filter(|option| option.is_skip()) {
        errors.at(
            &option.name,
            "a field that serde skips would not come back from the store: store it, or take it out of the event",
        );
    }
}

/// Nothing in an event borrows: the text that it is read from is gone afterwards.
fn owns_its_data(syntax: &EventSyntax<'_>, errors: &mut Errors) -> bool {
    // Without a lifetime, rustc reports it.
    let is_reference = |ty: &Type| matches!(ty, Type::Reference(reference) if reference.lifetime.is_some());
    let mut owns = true;
    for field in &syntax.history.fields {
        let is_read_otherwise =
            |option: &SerdeOption| option.name == "with" || option.name == "deserialize_with";
        if let Some(borrow) = field.serde.iter().find(|option| option.name == "borrow") {
            errors.at(
                &borrow.tokens,
                "an event owns its data, and this borrows from the stored text: leave it out",
            );
            owns = false;
        } else if let Some(reference) = find_part(&field.ty, &is_reference)
            && (is_text(reference) || !field.serde.iter().any(is_read_otherwise))
        {
            let shown = shown(reference);
            errors.at(
                reference,
                format!("an event owns its data, and can't be read back as `{shown}`: write an owned type, as `String`"),
            );
            owns = false;
        }
    }
    owns
}

/// Whether it is a reference to what serde borrows, however the field is read.
fn is_text(ty: &Type) -> bool {
    let Type::Reference(reference) = ty else { return false };
    matches!(&*reference.elem, Type::Slice(_)) || type_name(ty).is_some_and(|name| name == "str")
}

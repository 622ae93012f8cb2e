//! What each declared change of an event must be like, by itself and among those of its field.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{Ident, LitInt, LitStr, Path, Type};

use super::items;
use super::json_name::RenameAll;
use crate::errors::Errors;
use crate::syntax::{
    ChangeKindSyntax, ChangeSyntax, EventSyntax, FieldSyntax, Given, PreviousSyntax, RemovedSyntax,
};

/// How an event came to its present shape.
pub(crate) struct History<'s> {
    pub(crate) fields: Vec<Field<'s>>,
    pub(crate) removed: Vec<Removed<'s>>,
    pub(crate) previous: Option<Previous<'s>>,
}

/// A field of the present struct.
pub(crate) struct Field<'s> {
    pub(crate) syntax: &'s FieldSyntax,
    /// Its changes, oldest first.
    pub(crate) changes: Vec<Change<'s>>,
}

/// A change of a field.
#[derive(Clone, Copy)]
pub(crate) struct Change<'s> {
    pub(crate) since: Since<'s>,
    pub(crate) kind: ChangeKind<'s>,
}

#[derive(Clone, Copy)]
pub(crate) enum ChangeKind<'s> {
    /// It was not there; older events get this value.
    Added { default: &'s TokenStream },
    /// It had another name.
    Renamed { from: &'s LitStr },
    /// It had another type or meaning.
    Changed { from: &'s Type, with: Conversion<'s> },
}

/// The function that makes a new value of an old one.
#[derive(Clone, Copy)]
pub(crate) enum Conversion<'s> {
    Infallible(&'s TokenStream),
    Fallible(&'s TokenStream),
}

/// A field that the present struct does not have.
pub(crate) struct Removed<'s> {
    pub(crate) since: Since<'s>,
    pub(crate) name: &'s LitStr,
    /// The field's name in JSON.
    pub(crate) stored: String,
    pub(crate) ty: &'s Type,
    /// The version that it came with, if it was not there from the first.
    added: Option<Since<'s>>,
}

/// The struct of the event's versions before `since`.
pub(crate) struct Previous<'s> {
    pub(crate) since: u32,
    pub(crate) path: &'s Path,
}

/// A version, and the token that says so.
#[derive(Clone, Copy)]
pub(crate) struct Since<'s> {
    pub(crate) version: u32,
    pub(crate) token: &'s LitInt,
}

impl<'s> History<'s> {
    /// The changes that are valid, in an event whose present version is `version`.
    pub(super) fn check(event: &'s EventSyntax<'_>, version: u32, errors: &mut Errors) -> Self {
        let (syntax, rename_all) = (&event.history, RenameAll::of(&event.serde));
        let removed = syntax.removed.iter();
        let removed =
            removed.filter_map(|removed| Removed::check(removed, &rename_all, version, errors)).collect();
        let previous =
            syntax.previous.as_ref().and_then(|previous| Previous::check(previous, version, errors));
        let fields = syntax.fields.iter().map(|field| Field::check(field, version, errors)).collect();
        let history = Self { fields, removed, previous };
        if !event.serde.iter().any(|option| option.name == "rename_all") {
            history.fields.iter().for_each(|field| field.is_renamed(errors));
        }
        history
    }

    /// The first version that is read by its declared changes. Those before are read as the previous struct.
    pub(crate) fn first_version(&self) -> u32 {
        self.previous.as_ref().map_or(1, |previous| previous.since)
    }

    /// The removed fields that were there at `version`.
    pub(crate) fn removed_at(&self, version: u32) -> impl Iterator<Item = &Removed<'s>> {
        self.removed.iter().filter(move |removed| {
            let was_there = removed.added.is_none_or(|added| added.version <= version);
            removed.since.version > version && was_there
        })
    }

    /// The changes of all fields of the present struct.
    pub(super) fn changes(&self) -> impl Iterator<Item = &Change<'s>> {
        self.fields.iter().flat_map(|field| &field.changes)
    }

    /// The versions in which a change is declared.
    pub(super) fn changed_versions(&self) -> impl Iterator<Item = u32> {
        let fields = self.changes().map(|change| change.since.version);
        let removed = self
            .removed
            .iter()
            .flat_map(|removed| [Some(removed.since.version), removed.added.map(|added| added.version)]);
        let previous = self.previous.as_ref().map(|previous| previous.since);
        fields.chain(removed.flatten()).chain(previous)
    }
}

impl<'s> Field<'s> {
    fn check(syntax: &'s FieldSyntax, version: u32, errors: &mut Errors) -> Self {
        let changes: Vec<_> =
            syntax.changes.iter().filter_map(|change| Change::check(change, version, errors)).collect();
        in_order(&changes, errors);
        Self { syntax, changes }
    }

    /// Each rename is from another name than the field has after it.
    fn is_renamed(&self, errors: &mut Errors) {
        if self.syntax.serde_option("rename").is_some() {
            return;
        }
        let mut name = self.syntax.shown().trim_start_matches("r#").to_owned();
        for change in self.changes.iter().rev() {
            let ChangeKind::Renamed { from } = change.kind else { continue };
            if from.value() == name {
                errors.at(
                    from,
                    format!("the field is called `{name}` in version {} too", change.since.version),
                );
            }
            name = from.value();
        }
    }
}

impl<'s> Change<'s> {
    fn check(syntax: &'s ChangeSyntax, version: u32, errors: &mut Errors) -> Option<Self> {
        let key = &syntax.key;
        let since = Since::check(key, &syntax.since, version, errors);
        let kind = match &syntax.kind {
            ChangeKindSyntax::Added { default } => given(key, default, "default = ..", errors)
                .filter(|default| is_without_question_mark(default, errors))
                .map(|default| ChangeKind::Added { default }),
            ChangeKindSyntax::Renamed { from } => {
                given(key, from, "from = \"old_name\"", errors).map(|from| ChangeKind::Renamed { from })
            }
            ChangeKindSyntax::Changed { from, with, try_with } => {
                let from = given(key, from, "from = OldType", errors);
                let with = Conversion::check(key, with, try_with, errors);
                let from = from.filter(|from| owns_its_data(from, errors));
                from.zip(with).map(|(from, with)| ChangeKind::Changed { from, with })
            }
        };
        Some(Self { since: since?, kind: kind? })
    }
}

impl<'s> Conversion<'s> {
    /// `with`, or `try_with`.
    fn check(
        key: &Ident,
        with: &'s Given<TokenStream>,
        try_with: &'s Given<TokenStream>,
        errors: &mut Errors,
    ) -> Option<Self> {
        match (with.value(), try_with.value()) {
            (Some(with), None) => Some(Self::Infallible(with)),
            (None, Some(try_with)) => Some(Self::Fallible(try_with)),
            (Some(_), Some(try_with)) => {
                errors.at(try_with, "a change has `with`, or `try_with` if it can fail: not both");
                None
            }
            (None, None) => {
                if with.is_missing() && try_with.is_missing() {
                    errors.at(
                        key,
                        format!(
                            "`{key}(..)` needs `with = function` from the old type to the new one, or `try_with`"
                        ),
                    );
                }
                None
            }
        }
    }
}

impl<'s> Removed<'s> {
    fn check(
        syntax: &'s RemovedSyntax,
        rename_all: &RenameAll,
        version: u32,
        errors: &mut Errors,
    ) -> Option<Self> {
        let key = &syntax.key;
        let since = Since::check(key, &syntax.since, version, errors);
        let name = given(key, &syntax.name, "name = \"branch\"", errors);
        let ty = given(key, &syntax.ty, "ty = String", errors).filter(|ty| owns_its_data(ty, errors));
        let added = match &syntax.added {
            Some(token) => Some(Since::of(token, version, errors)?),
            None => None,
        };
        let (since, name, ty) = (since?, name?, ty?);
        let removed = Self { since, name, stored: rename_all.stored(name), ty, added };
        // A field comes before it goes.
        if let Some(added) = added
            && added.version >= removed.since.version
        {
            errors.at(added.token, format!("the field was removed in version {}", removed.since.version));
            return None;
        }
        Some(removed)
    }
}

impl<'s> Previous<'s> {
    fn check(syntax: &'s PreviousSyntax, version: u32, errors: &mut Errors) -> Option<Self> {
        match syntax {
            PreviousSyntax::Path(path) if version == 1 => {
                errors.at(path, "version 1 has no previous one: say which `version` this is");
                None
            }
            PreviousSyntax::Path(path) => Some(Self { since: version, path }),
            PreviousSyntax::Since { key, since, path } => {
                let since = Since::check(key, since, version, errors);
                let path = given(key, path, "from = OldStruct", errors);
                Some(Self { since: since?.version, path: path? })
            }
        }
    }
}

impl<'s> Since<'s> {
    fn check(key: &Ident, token: &'s Given<LitInt>, version: u32, errors: &mut Errors) -> Option<Self> {
        Self::of(given(key, token, "since = 2", errors)?, version, errors)
    }

    /// A version in which something can have changed.
    fn of(token: &'s LitInt, version: u32, errors: &mut Errors) -> Option<Self> {
        let message = match token.base10_parse::<u32>() {
            Ok(0 | 1) => {
                "the history begins with version 1: what changed, changed in version 2 or later".to_owned()
            }
            Ok(since) if since > version => {
                format!("the event is at version {version}: write `version = {since}`, or correct this")
            }
            Ok(since) => return Some(Self { version: since, token }),
            Err(_) => "a version is a whole number from 1 to 4294967295".to_owned(),
        };
        errors.at(token, message);
        None
    }
}

/// Whether an expression has no `?` of its own. One in a block or in a closure may return from there.
fn is_without_question_mark(expression: &TokenStream, errors: &mut Errors) -> bool {
    let Some(mark) = question_mark(expression.clone()) else { return true };
    errors.at(&mark, "a default can't use `?`, since reading an old event does not return this error");
    false
}

fn question_mark(tokens: TokenStream) -> Option<TokenTree> {
    let is = |tree: &TokenTree, sign| matches!(tree, TokenTree::Punct(punct) if punct.as_char() == sign);
    tokens.into_iter().take_while(|tree| !is(tree, '|')).find_map(|tree| match &tree {
        TokenTree::Group(group) if group.delimiter() != Delimiter::Brace => question_mark(group.stream()),
        _ => is(&tree, '?').then_some(tree),
    })
}

/// Whether a field of this type can have been read from the store.
fn owns_its_data(ty: &Type, errors: &mut Errors) -> bool {
    let Some(owned) = items::owned(ty) else { return true };
    errors.at(ty, format!("an event owns its data: write `{owned}`"));
    false
}

/// The value of a key that must stand in the parentheses of another.
fn given<'s, T>(key: &Ident, value: &'s Given<T>, example: &str, errors: &mut Errors) -> Option<&'s T> {
    if value.is_missing() {
        errors.at(key, format!("`{key}(..)` needs `{example}`"));
    }
    value.value()
}

/// The changes of one field stand in order, and each can follow those before it.
fn in_order(changes: &[Change<'_>], errors: &mut Errors) {
    for (index, change) in changes.iter().enumerate() {
        let earlier = changes.get(..index).unwrap_or_default();
        let Since { version, token } = change.since;
        if let Some(last) = earlier.last()
            && last.since.version > version
        {
            let message =
                format!("changes stand in order: this one before the one since {}", last.since.version);
            errors.at(token, message);
        }
        let is_same = |other: &Change<'_>| {
            other.since.version == version
                && std::mem::discriminant(&other.kind) == std::mem::discriminant(&change.kind)
        };
        if earlier.iter().any(is_same) {
            errors.at(token, format!("this has been declared since {version} already"));
        } else if matches!(change.kind, ChangeKind::Added { .. }) && index > 0 {
            errors.at(token, "a field is added before anything else happens to it");
        } else if let Some(first) = earlier.first()
            && matches!(first.kind, ChangeKind::Added { .. })
            && first.since.version == version
        {
            let message = format!("the field is new in version {version}: it can't have been another before");
            errors.at(token, message);
        }
    }
}

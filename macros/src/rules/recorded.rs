//! Whether an event is still what `events.lock` says that it was.

use std::collections::BTreeMap;

use quote::ToTokens;

use super::{Event, ShapeField};
use crate::errors::Errors;
use crate::lock::{Lock, LockedType};

/// Compares every recorded version that this struct reads by itself.
pub(super) fn compare(event: &Event<'_>, lock: &Lock, errors: &mut Errors) {
    let versions = event.names().filter_map(|name| lock.events.get(&name)).flatten();
    // Newest first: a difference there may be the only one in the older versions too.
    let mut recorded: Vec<_> = versions.collect();
    recorded.sort_by_key(|(version, _)| std::cmp::Reverse(**version));
    for (&version, recorded) in recorded {
        let Some(now) = event.versions.get(&version) else { continue };
        let is_same = if version == event.version {
            present(event, &now.shape, recorded, errors)
        } else {
            past(event, version, &now.shape, recorded, errors)
        };
        if !is_same {
            return;
        }
    }
}

/// Compares the present version: a difference is a change that is not declared.
fn present(
    event: &Event<'_>,
    fields: &[ShapeField<'_>],
    recorded: &BTreeMap<String, LockedType>,
    errors: &mut Errors,
) -> bool {
    let mut same = true;
    let mut differ = |tokens: &dyn ToTokens, message: String| {
        errors.at(&tokens.to_token_stream(), message);
        same = false;
    };
    let (name, version, next) = (event.syntax.name.value(), event.version, event.next_version());
    let is_gone = |name: &str| fields.iter().all(|field| field.name != name);
    let gone: Vec<_> = recorded.iter().filter(|(name, _)| is_gone(name)).collect();
    let new: Vec<_> = fields.iter().filter(|field| !recorded.contains_key(&field.name)).collect();
    let mut renamed = Vec::new();
    for field in fields {
        match recorded.get(&field.name) {
            None => {
                // One field gone and one new, of one type, are most likely one field.
                let old = only(gone.iter().filter(|(_, ty)| ty.text == field.text));
                let old = old.filter(|_| only(new.iter().filter(|new| new.text == field.text)).is_some());
                let message = match old {
                    Some(&(old, ty)) => {
                        renamed.push(old);
                        format!(
                            "`{name}` version {version} is recorded with `{old}: {0}`, and has `{1}: {0}` in its place: \
                             give the event version {next}, and write `#[event(renamed(since = {next}, from = \
                             \"{old}\"))]` here; if it is another field, write `added(since = {next}, default = ..)` \
                             here, and `removed(since = {next}, name = \"{old}\", ty = {0})` on the struct",
                            ty.text, field.name
                        )
                    }
                    None => format!(
                        "`{name}` version {version} is recorded without the field `{}`: give the event version {next}, \
                         and write `#[event(added(since = {next}, default = ..))]` here, or `renamed(since = {next}, \
                         from = \"..\")` if it is an old one",
                        field.name
                    ),
                };
                differ(field.ty, message);
            }
            Some(ty) if differs(ty, field) => differ(
                field.ty,
                format!(
                    "`{name}` version {version} is recorded with `{0}: {1}`, and it is `{2}` now: give the event version \
                     {next}, and write `#[event(changed(since = {next}, from = {1}, with = ..))]` here",
                    field.name, ty.text, field.text
                ),
            ),
            Some(_) => {}
        }
    }
    for (gone, ty) in gone.iter().filter(|(name, _)| !renamed.contains(name)) {
        differ(
            &event.syntax.input.ident,
            format!(
                "`{name}` version {version} is recorded with the field `{gone}: {0}`, and no longer has it: give the event version \
                 {next}, and write `#[event(removed(since = {next}, name = \"{gone}\", ty = {0}))]` here, or \
                 `renamed(since = {next}, from = \"{gone}\")` on the field that it has become",
                ty.text
            ),
        );
    }
    same
}

/// The item of an iterator that has one.
fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    items.next().filter(|_| items.next().is_none())
}

/// Compares an old version: the declared changes must lead back to it.
fn past(
    event: &Event<'_>,
    version: u32,
    fields: &[ShapeField<'_>],
    recorded: &BTreeMap<String, LockedType>,
    errors: &mut Errors,
) -> bool {
    let same = fields.len() == recorded.len()
        && fields.iter().all(|field| recorded.get(&field.name).is_some_and(|ty| !differs(ty, field)));
    if same {
        return true;
    }
    let was: Vec<_> = recorded.iter().map(|(name, ty)| format!("{name}: {}", ty.text)).collect();
    let declared: Vec<_> = fields.iter().map(|field| format!("{}: {}", field.name, field.text)).collect();
    let token: &dyn ToTokens = match event.syntax.version.value() {
        Some(version) => version,
        None => &event.syntax.input.ident,
    };
    errors.at(
        &token.to_token_stream(),
        format!(
            "`{}` version {version} is recorded as {{ {} }}; by the changes declared since, it was {{ {} }}",
            event.syntax.name.value(),
            was.join(", "),
            declared.join(", ")
        ),
    );
    false
}

/// Whether the type is another one. A type with a fingerprint may have a new name: rustc compares its fingerprint.
fn differs(recorded: &LockedType, field: &ShapeField<'_>) -> bool {
    recorded.text != field.text && recorded.fingerprint == 0
}

#[cfg(test)]
mod tests {
    use super::super::event as event_rules;
    use super::*;
    use crate::syntax::EventSyntax;

    const LOCK: &str = "\
# recorded
aggregate account event opened
event opened 1
event opened 1 nick\\sname String
event opened 1 owner String
event opened 2
event opened 2 by Option<Person> #00000000000000ff
event opened 2 owner String
";

    /// The errors of an event when `LOCK` is recorded.
    fn messages(event: &str) -> Vec<String> {
        messages_under(LOCK, event)
    }

    fn messages_under(lock: &str, event: &str) -> Vec<String> {
        let mut errors = Errors::default();
        let input = syn::parse_str(event).expect("an item");
        let syntax = EventSyntax::parse(&input, &mut errors);
        let event = event_rules(&syntax, &mut errors).expect("an event");
        compare(&event, &Lock::parse(lock).expect("a lock"), &mut errors);
        errors.messages()
    }

    #[test]
    fn an_event_that_is_as_recorded_has_no_error() {
        let event = r#"
            #[event(name = "opened", version = 2, removed(since = 2, name = "nick name", ty = std::string::String))]
            struct Opened { owner: String, #[event(added(since = 2, default = None))] by: Option<people::Person> }
        "#;
        assert_eq!(messages(event), [""; 0]);
        // A version that is not recorded yet, an event that is not, and one that is recorded under its old name.
        let newer = r#"
            #[event(name = "began", aliases("opened"), version = 3, removed(since = 2, name = "nick name", ty = String))]
            struct Began {
                #[event(renamed(since = 3, from = "owner"))] holder: String,
                #[event(added(since = 2, default = None))] by: Option<Person>,
            }
        "#;
        assert_eq!(messages(newer), [""; 0]);
        assert_eq!(messages("struct Unheard { of: u8 }"), [""; 0]);
        // A type with a fingerprint may have another name: rustc compares the fingerprint.
        assert_eq!(messages(&event.replace("people::Person", "people::Human")), [""; 0]);
    }

    #[test]
    fn each_difference_is_reported_with_what_to_write() {
        let event = r#"
            #[event(name = "opened", version = 2, removed(since = 2, name = "nick name", ty = String))]
            struct Opened { owner: u64, #[event(added(since = 2, default = 0))] at: u8 }
        "#;
        let messages = messages(event);
        let [at, owner, by] = &*messages else { panic!("{messages:#?}") };
        assert_eq!(
            owner,
            "`opened` version 2 is recorded with `owner: String`, and it is `u64` now: give the event version 3, and write \
             `#[event(changed(since = 3, from = String, with = ..))]` here"
        );
        assert!(
            at.starts_with("`opened` version 2 is recorded without the field `at`: give the event version 3"),
            "{at}"
        );
        assert!(by.contains("recorded with the field `by: Option<Person>`, and no longer has it"), "{by}");
        assert!(
            by.contains("`#[event(removed(since = 3, name = \"by\", ty = Option<Person>))]` here"),
            "{by}"
        );
    }

    #[test]
    fn a_rename_is_one_error() {
        let event = r#"
            #[event(name = "opened", version = 2, removed(since = 2, name = "nick name", ty = String))]
            struct Opened { holder: String, #[event(added(since = 2, default = None))] by: Option<Person> }
        "#;
        let messages = messages(event);
        let [renamed] = &*messages else { panic!("{messages:#?}") };
        assert!(
            renamed.starts_with(
                "`opened` version 2 is recorded with `owner: String`, and has `holder: String` in its place: give the event \
                 version 3, and write `#[event(renamed(since = 3, from = \"owner\"))]` here; if it is another field"
            ),
            "{renamed}"
        );
        // Of two, it is not clear which one it was.
        let two = event.replace("holder: String", "holder: String, keeper: String");
        assert_eq!(self::messages(&two).len(), 3, "{:#?}", self::messages(&two));
    }

    #[test]
    fn a_history_that_does_not_lead_back_is_reported() {
        let event = r#"
            #[event(name = "opened", version = 2, removed(since = 2, name = "nick", ty = String))]
            struct Opened { owner: String, #[event(added(since = 2, default = None))] by: Option<Person> }
        "#;
        assert_eq!(
            messages(event),
            [
                "`opened` version 1 is recorded as { nick name: String, owner: String }; by the changes declared since, it was \
             { nick: String, owner: String }"
            ]
        );
    }

    #[test]
    fn the_greatest_version_is_compared() {
        const LOCK: &str = "event opened 4294967295 at u8\n";
        let event = "#[event(version = 4294967295, previous = Before)] struct Opened { at: u16 }";
        let messages = messages_under(LOCK, event);
        assert!(
            messages.iter().any(|message| message.contains("give the event version 4294967296")),
            "{messages:?}"
        );
    }

    #[test]
    fn old_names_are_recorded_as_they_are_in_json() {
        const LOCK: &str = "event moved 1 movedBy u8\nevent moved 1 oldPlace u8\nevent moved 2 newPlace u8\n";
        for names in [["old_place", "moved_by"], ["oldPlace", "movedBy"]] {
            let [renamed, removed] = names;
            let event = format!(
                r#"#[serde(rename_all = "camelCase")]
                #[event(name = "moved", version = 2, removed(since = 2, name = "{removed}", ty = u8))]
                struct Moved {{ #[event(renamed(since = 2, from = "{renamed}"))] new_place: u8 }}"#
            );
            assert_eq!(messages_under(LOCK, &event), [""; 0], "{names:?}");
        }
    }
}

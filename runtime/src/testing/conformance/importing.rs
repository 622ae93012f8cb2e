//! Idempotency keys that are listed and imported, as copies of stores do. A store may have no such way.

use std::ops::ControlFlow;

use super::law::{Law, facts, stream};
use crate::domain::command_mark::CommandMark;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::store::append::{Append, ExpectedVersion::Any, NewKey, Outcome};
use crate::store::error::{AppendError, StoreError};
use crate::store::event_store::EventStore;
use crate::store::stored_key::StoredKey;

type Listed = (StreamName, String, Outcome);

/// Lists the keys by stream and key; `None` if the store has no such way.
fn list<S: EventStore>(law: &Law<'_, S>) -> Option<Vec<Listed>> {
    let mut listed: Vec<Listed> = Vec::new();
    let result = law.store.read_keys(&mut |key| {
        let is_new = listed.last().is_none_or(|(stream, ..)| stream != key.stream);
        let seen = listed.iter().any(|(stream, ..)| stream == key.stream);
        law.holds(!(is_new && seen), format_args!("the keys of {} do not follow each other", key.stream));
        listed.push((key.stream.clone(), key.key.to_owned(), key.outcome.clone()));
        ControlFlow::Continue(())
    });
    if matches!(result, Err(StoreError::Unsupported { .. })) {
        return None;
    }
    law.succeeds(result, "listing the keys");
    listed.sort_by(|a, b| (a.0.as_str(), &a.1).cmp(&(b.0.as_str(), &b.1)));
    Some(listed)
}

fn outcome(before: u64, version: u64, command: Option<CommandMark>) -> Outcome {
    Outcome::new(before, version, Timestamp::from_micros(-7), command)
}

/// Every key is listed once, with its outcome, and a visitor may use the store and break off.
pub fn keys_are_listed_with_their_outcomes<S: EventStore>(store: &S) {
    let law = Law::new("keys_are_listed_with_their_outcomes", store);
    let Some(none) = list(&law) else { return };
    law.equal(none, Vec::new(), "the keys of an empty store");
    let mark = CommandMark::new("Command", u64::MAX, 1 << 63).with_structs(vec![1, u64::MAX]);
    let mut wanted = Vec::new();
    for number in 0..3_000_u64 {
        // Many keys of one stream, and streams that have keys only.
        let of = if number % 2 == 0 { stream("many") } else { stream(&format!("s{number}")) };
        let command = (number % 3 == 0).then(|| mark.clone());
        let text = format!("key {number}");
        let mut key = NewKey::new(&text, 0..0, Timestamp::from_micros(-7));
        key.command.clone_from(&command);
        law.succeeds(store.append(&[Append::new(&of, Any, &[]).with_keys(&[key])]), "an append of a key");
        wanted.push((of, text, outcome(0, 0, command)));
    }
    wanted.sort_by(|a, b| (a.0.as_str(), &a.1).cmp(&(b.0.as_str(), &b.1)));
    law.holds(list(&law).as_ref() == Some(&wanted), "the keys that are listed are others than were stored");
    let mut seen = 0;
    let result = store.read_keys(&mut |key| {
        seen += 1;
        let found = law.succeeds(store.outcome(key.stream, key.key), "the outcome of a key that is visited");
        law.equal(found.as_ref(), Some(key.outcome), "the outcome of a key that is visited");
        if seen == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    law.succeeds(result, "listing keys, broken off");
    law.equal(seen, 5, "the keys of a list that is broken off");
}

/// Imported keys are known with their outcomes, all or none, and keys that are known already stay.
pub fn imported_keys_are_known<S: EventStore>(store: &S) {
    let law = Law::new("imported_keys_are_known", store);
    let (a, b, other) = (stream("a"), stream("b"), stream("other"));
    let mark = CommandMark::new("Command", 7, 8).with_structs(vec![9]);
    let (first, second) = (outcome(1, 3, Some(mark)), outcome(0, 0, None));
    law.append_any(&a, &facts(4));
    let keys = [StoredKey::new(&a, "first", &first), StoredKey::new(&b, "second", &second)];
    let imported = store.import_keys(&keys);
    if let Err(AppendError::Store { source: StoreError::Unsupported { .. }, .. }) = imported {
        return;
    }
    law.succeeds(imported, "an import of keys");
    law.succeeds(store.import_keys(&[]), "an import of nothing");
    for StoredKey { stream, key, outcome } in keys {
        let known = law.succeeds(store.outcome(stream, key), "the outcome of an imported key");
        law.equal(known.as_ref(), Some(outcome), "the outcome of an imported key");
    }
    law.equal(law.version(&b), 0, "the version of a stream that has an imported key only");
    let once = [NewKey::new("first", 0..0, Timestamp::from_micros(3))];
    let refused = store.append(&[Append::new(&a, Any, &[]).with_keys(&once)]);
    law.holds(
        matches!(&refused, Err(AppendError::KnownKey { outcome, .. }) if **outcome == first),
        format_args!("an append with an imported key gave {refused:?}"),
    );

    // The same keys again, with one that is new.
    let new = StoredKey::new(&other, "new", &first);
    law.succeeds(store.import_keys(&[keys[0], new, keys[1]]), "an import of known keys");
    let known = law.succeeds(store.outcome(&other, "new"), "the outcome of a new key beside known ones");
    law.equal(known.as_ref(), Some(&first), "the outcome of a new key beside known ones");

    // Another outcome.
    let refused =
        store.import_keys(&[StoredKey::new(&other, "newer", &first), StoredKey::new(&b, "second", &first)]);
    law.holds(
        matches!(&refused, Err(AppendError::KnownKey { stream, key, outcome })
            if *stream == b && key == "second" && **outcome == second),
        format_args!("an import of another outcome gave {refused:?}"),
    );
    let left = law.succeeds(store.outcome(&other, "newer"), "the outcome of a key of a refused import");
    law.equal(left, None, "the outcome of a key of a refused import");
    law.append_any(&b, &facts(2));
    law.append_any(&other, &facts(1));
    law.has_no_gaps();
}

//! Copies that change events, or leave some out.

use factum::copy::{Change, CopiedEvent, CopyError};
use factum::prelude::*;
use factum::store::{Append, ExpectedVersion, NewEvent, NewKey};
use factum::{Metadata, StreamName, Timestamp, Uuid};

use crate::support::account::{Account, Deposited, Opened, deposit, id, open};
use crate::support::contents::{Contents, fill};
use crate::support::stores::stores;

fn key(key: &str) -> ExecuteOptions<'static> {
    ExecuteOptions::new().idempotency_key(key)
}

#[test]
fn an_erased_name_is_gone_and_commands_go_on() {
    for (from, to) in stores().into_iter().zip(stores()) {
        let accounts = from.repository::<Account>();
        for owner in ["alice", "bob"] {
            accounts.execute_with(open(owner), &key("open")).unwrap();
            accounts.execute_with(deposit(owner, 5), &key("deposit")).unwrap();
        }
        let copy = factum::copy(&from, &to).changing(|event| {
            if let Some(mut opened) = event.decode::<Opened>()?
                && opened.owner == "bob"
            {
                opened.owner = "(erased)".to_owned();
                event.replace(&opened)?;
            }
            Ok(Change::Keep)
        });
        assert_eq!(copy.run().unwrap().left_out, 0);
        let (before, after) = (Contents::of(&from), Contents::of(&to));
        assert_eq!(before.keys, after.keys);
        let changed = before.events.iter().zip(&after.events).filter(|(before, after)| before != after);
        let changed: Vec<_> = changed.collect();
        assert_eq!(changed.len(), 1);
        assert_eq!((changed[0].0.id, changed[0].0.position), (changed[0].1.id, changed[0].1.position));
        assert!(after.events.iter().all(|event| !event.payload.contains("bob")));

        let accounts = to.repository::<Account>();
        assert_eq!(accounts.load(&id("bob")).unwrap().state().cents, 5);
        assert!(accounts.execute_with(deposit("bob", 5), &key("deposit")).unwrap().is_repeated());
        assert_eq!(accounts.execute(deposit("bob", 1)).unwrap().state().cents, 6);
    }
}

#[test]
fn versions_and_outcomes_count_the_events_that_are_left() {
    for (from, to) in stores().into_iter().zip(stores()) {
        let (a, gone) = (StreamName::new("kind", "a"), StreamName::new("kind", "gone"));
        let metadata = Metadata::default();
        let event = |payload| NewEvent::new("e", 1, payload, Uuid::now_v7(), Timestamp::now(), &metadata);
        for (payloads, text) in
            [("ox", "one of two"), ("xx", "none"), ("o", "kept"), ("xoxo", "two of four"), ("", "nothing")]
        {
            let events = payloads.chars().map(|one| event(if one == 'x' { "\"x\"" } else { "\"o\"" }));
            let events: Vec<_> = events.collect();
            let keys = [NewKey::new(text, 0..events.len(), Timestamp::now())];
            let append = |to, events, keys| Append::new(to, ExpectedVersion::Any, events).with_keys(keys);
            from.append(&[append(&a, &events, &keys)]).unwrap();
        }
        let keys = [NewKey::new("k", 0..1, Timestamp::now())];
        let events = [event("\"x\"")];
        from.append(&[Append::new(&gone, ExpectedVersion::Any, &events).with_keys(&keys)]).unwrap();

        let leave_out = |event: &mut CopiedEvent| {
            Ok(if event.payload == "\"x\"" { Change::LeaveOut } else { Change::Keep })
        };
        let report = factum::copy(&from, &to).batch(2).changing(leave_out).run().unwrap();
        assert_eq!((report.events, report.left_out), (4, 6));
        assert_eq!((report.keys, report.keys_left_out), (5, 1));
        let copied = Contents::of(&to);
        let versions: Vec<_> = copied.events.iter().map(|row| (row.position.get(), row.version)).collect();
        assert_eq!(versions, [(1, 1), (2, 2), (3, 3), (4, 4)]);
        for (text, outcome) in [
            ("one of two", (0, 1)),
            ("none", (1, 1)),
            ("kept", (1, 2)),
            ("two of four", (2, 4)),
            ("nothing", (4, 4)),
        ] {
            let found = &copied.keys[&(a.as_str().to_owned(), text.to_owned())];
            assert_eq!((found.before, found.version), outcome, "{text}");
        }
        assert!(copied.keys.keys().all(|(stream, _)| stream != gone.as_str()));
        // The same once more.
        let again = factum::copy(&from, &to).changing(leave_out).run().unwrap();
        assert_eq!((again.appended, again.checksum), (0, report.checksum));
        assert!(Contents::of(&to) == copied);
    }
}

#[test]
fn a_copy_without_some_events_resumes_and_catches_up() {
    let leave_out = |event: &mut CopiedEvent| {
        Ok(if event.id().as_u128().is_multiple_of(3) { Change::LeaveOut } else { Change::Keep })
    };
    let from = MemoryStore::new();
    let (at_once, piecemeal) = (MemoryStore::new(), MemoryStore::new());
    for round in 0..5 {
        fill(&from, round, 40);
        let copy = factum::copy(&from, &piecemeal).batch(5).changing(leave_out);
        let mut batches = 4;
        let stopped = copy.on_progress(move |_| {
            batches -= 1;
            if batches == 0 { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
        });
        assert!(matches!(stopped.run(), Err(CopyError::Stopped { .. })));
        factum::copy(&from, &piecemeal).batch(5).changing(leave_out).run().unwrap();
    }
    let report = factum::copy(&from, &at_once).changing(leave_out).run().unwrap();
    assert!(report.left_out > 50 && report.events > 100);
    assert!(Contents::of(&at_once) == Contents::of(&piecemeal));
    assert!(Contents::of(&at_once) != Contents::of(&from));
}

#[test]
fn an_error_of_the_function_ends_the_copy() {
    let from = MemoryStore::new();
    from.repository::<Account>().execute(open("alice")).unwrap();
    from.repository::<Account>().execute(deposit("alice", 5)).unwrap();
    let to = MemoryStore::new();
    let copy = factum::copy(&from, &to).batch(1).changing(|event| {
        if event.decode::<Deposited>()?.is_some() { Err("a deposit".into()) } else { Ok(Change::Keep) }
    });
    let error = copy.run().unwrap_err();
    assert!(matches!(&error, CopyError::Change { position, .. } if position.get() == 2));
    assert_eq!(
        factum::with_causes(&error),
        "the event of account/alice at position 2 can't be changed: a deposit"
    );
    assert_eq!(to.position().unwrap().get(), 1, "what came before is copied");

    let copy = factum::copy(&from, MemoryStore::new()).changing(|event| {
        event.payload.push('}');
        Ok(Change::Keep)
    });
    assert!(matches!(copy.run(), Err(CopyError::NotJson { position, .. }) if position.get() == 1));
}

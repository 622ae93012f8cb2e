//! Replays, idempotency keys, which every store keeps, and snapshots, which a store may keep.

use std::ops::{ControlFlow, Range};

use uuid::Uuid;

use super::law::{Law, Seen, facts, stored, stream};
use super::threads::{THREADS, at_once};
use crate::domain::command_mark::CommandMark;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::store::append::ExpectedVersion::{self, Any, Exactly};
use crate::store::append::{Append, Appended, NewKey, Outcome};
use crate::store::error::AppendError;
use crate::store::event_store::EventStore;
use crate::store::snapshot::StoredSnapshot;

/// A replay passes the events that a read of the stream passes, without times and metadata.
pub fn replay_is_a_read_of_the_stream<S: EventStore>(store: &S) {
    let law = Law::new("replay_is_a_read_of_the_stream", store);
    let (long, other) = (stream("long"), stream("other"));
    let facts = facts(5_000);
    law.append_any(&other, &facts[..2]);
    law.append_any(&long, &facts);
    law.append_any(&other, &facts[..2]);
    let wanted = stored(&long, 1, 3, &facts);
    for (after, limit) in
        [(0_u16, usize::MAX), (0, 4_999), (4_990, 5), (4_999, usize::MAX), (2, 1), (3, 0), (5_000, 9)]
    {
        let replayed = replayed(&law, &long, after.into(), limit);
        let wanted: Vec<_> = wanted.iter().skip(after.into()).take(limit).collect();
        let last = wanted.last().map(|seen| seen.fact.id);
        let wanted = (wanted.into_iter().map(Summary::of).collect(), last);
        law.equal(replayed, wanted, format_args!("a replay after {after}, at most {limit}"));
    }
    law.equal(replayed(&law, &stream("missing"), 0, 10), (Vec::new(), None), "a replay of nothing");
    let mut seen = 0;
    let result = store.replay(&long, 0, usize::MAX, &mut |_| {
        seen += 1;
        if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let last = law.succeeds(result, "a replay that is broken off");
    law.equal(last, Some(facts[2].id), "the id of the last event of a replay that is broken off");
    law.equal(seen, 3, "the events of a replay that is broken off");
}

/// A store may know with which event a stream ends, or not. It never takes another event for the newest one.
pub fn stream_ends_with_its_newest_event_only<S: EventStore>(store: &S) {
    let law = Law::new("stream_ends_with_its_newest_event_only", store);
    let (a, b) = (stream("a"), stream("b"));
    let facts = facts(6);
    law.append_any(&a, &facts[..3]);
    law.append_any(&b, &facts[3..]);
    let newest = facts[2].id;
    for (stream, version, id) in [
        (&a, 2, facts[1].id),
        (&a, 2, newest),
        (&a, 3, facts[1].id),
        (&a, 3, facts[5].id),
        (&a, 4, newest),
        (&a, 0, newest),
        (&b, 3, newest),
        (&stream("missing"), 3, newest),
    ] {
        let ends = store.ends_with(stream, version, id);
        law.holds(!ends, format_args!("{stream} is said to end with another event, at version {version}"));
    }
    law.append_any(&a, &facts[3..4]);
    law.holds(!store.ends_with(&a, 3, newest), "a stream is said to end with its last event but one");
}

type Summary = (u64, Position, String, u32, String);

trait OfSeen {
    fn of(seen: &Seen) -> Self;
}

impl OfSeen for Summary {
    fn of(seen: &Seen) -> Self {
        let fact = seen.fact.clone();
        let place = Position::new(seen.position);
        (seen.version, place, fact.name, fact.event_version, fact.payload)
    }
}

fn replayed<S: EventStore>(
    law: &Law<'_, S>,
    stream: &StreamName,
    after: u64,
    limit: usize,
) -> (Vec<Summary>, Option<Uuid>) {
    let mut replayed = Vec::new();
    let result = law.store.replay(stream, after, limit, &mut |event| {
        let (name, payload) = (event.name.to_owned(), event.payload.to_owned());
        replayed.push((event.version, event.position, name, event.event_version, payload));
        ControlFlow::Continue(())
    });
    let last = law.succeeds(result, format_args!("replaying {stream}"));
    (replayed, last)
}

/// Appends this many events, with these keys.
fn append<S: EventStore>(
    law: &Law<'_, S>,
    stream: &StreamName,
    expected: ExpectedVersion,
    count: usize,
    keys: &[(&str, Range<usize>)],
) -> Result<Appended, AppendError> {
    let facts = facts(count);
    let events: Vec<_> = facts.iter().map(super::law::Fact::as_new).collect();
    let keys: Vec<_> = keys.iter().map(|(key, events)| new_key(key, events.clone())).collect();
    law.store.append(&[Append { keys: &keys, ..Append::new(stream, expected, &events) }])
}

/// A key whose command is recorded as [`command`] says, at [`RECORDED_AT`].
fn new_key(key: &str, events: Range<usize>) -> NewKey<'_> {
    NewKey::new(key, events, RECORDED_AT).with_command(command(key))
}

const RECORDED_AT: Timestamp = Timestamp::from_micros(-7);

fn command(key: &str) -> CommandMark {
    CommandMark::new(format!("Command{key}"), u64::MAX, 1 << 63).with_structs(vec![1, u64::MAX])
}

fn outcome<S: EventStore>(law: &Law<'_, S>, stream: &StreamName, key: &str) -> Option<(u64, u64)> {
    let outcome = law.succeeds(law.store.outcome(stream, key), format_args!("the outcome of `{key}`"));
    outcome.map(|outcome| (outcome.before, outcome.version))
}

/// A key is known with its outcome as soon as its append is stored, and in its own stream only.
pub fn key_is_kept_with_its_outcome<S: EventStore>(store: &S) {
    let law = Law::new("key_is_kept_with_its_outcome", store);
    let (a, b) = (stream("a"), stream("b"));
    law.equal(outcome(&law, &a, "first"), None, "the outcome of an unknown key");
    law.append_any(&a, &facts(2));
    law.succeeds(append(&law, &a, Exactly(2), 3, &[("first", 0..3)]), "an append with a key");
    law.equal(outcome(&law, &a, "first"), Some((2, 5)), "the outcome of a key");
    law.equal(outcome(&law, &b, "first"), None, "the outcome in another stream");
    law.equal(outcome(&law, &a, "firs"), None, "the outcome of another key");
    law.succeeds(
        append(&law, &a, Any, 4, &[("second", 0..1), ("nothing", 1..1), ("", 1..4)]),
        "an append with several keys",
    );
    law.equal(outcome(&law, &a, "second"), Some((5, 6)), "the outcome of the first of several keys");
    law.equal(outcome(&law, &a, "nothing"), Some((6, 6)), "the outcome of a command that led to nothing");
    law.equal(outcome(&law, &a, ""), Some((6, 9)), "the outcome of the empty key");
    law.succeeds(append(&law, &b, Any, 0, &[("first", 0..0)]), "an append of a key without events");
    law.equal(outcome(&law, &b, "first"), Some((0, 0)), "the outcome of nothing in a stream without events");
    let second = law.succeeds(store.outcome(&a, "second"), "the outcome of a key");
    let wanted = Outcome::new(5, 6, RECORDED_AT, Some(command("second")));
    law.equal(second, Some(wanted), "the outcome with its time and command");
    let unnamed = [NewKey::new("unnamed", 0..0, RECORDED_AT)];
    law.succeeds(store.append(&[Append::new(&b, Any, &[]).with_keys(&unnamed)]), "a key without a command");
    let wanted = Outcome::new(0, 0, RECORDED_AT, None);
    let found = law.succeeds(store.outcome(&b, "unnamed"), "the outcome of a key");
    law.equal(found, Some(wanted), "the outcome of a command that is not known");
    law.equal(law.version(&b), 0, "the version of a stream that has a key only");
    law.has_no_gaps();
}

/// An append with a known key fails with the first outcome, whatever version it expects, and stores nothing.
pub fn known_key_is_refused<S: EventStore>(store: &S) {
    let law = Law::new("known_key_is_refused", store);
    let (a, b) = (stream("a"), stream("b"));
    law.succeeds(append(&law, &a, Any, 2, &[("once", 0..2)]), "an append with a key");
    let before = law.everything();
    for expected in [Any, Exactly(0), Exactly(2), Exactly(7)] {
        match append(&law, &a, expected, 1, &[("new", 0..1), ("once", 0..1)]) {
            Err(AppendError::KnownKey { stream, key, outcome }) => {
                law.equal((stream, &*key), (a.clone(), "once"), "what the refusal names");
                let first = Outcome::new(0, 2, RECORDED_AT, Some(command("once")));
                law.equal(*outcome, first, "the outcome in the refusal");
            }
            other => law.holds(false, format_args!("a known key gave {other:?}")),
        }
    }
    law.equal(outcome(&law, &a, "new"), None, "the outcome of a key that came with a known one");
    let conflict = append(&law, &a, Exactly(9), 1, &[("conflict", 0..1)]);
    law.holds(matches!(conflict, Err(AppendError::Conflict(_))), format_args!("{conflict:?}, no conflict"));
    law.equal(outcome(&law, &a, "conflict"), None, "the outcome of an append that was refused");
    law.has_exactly(&before, "after appends that were refused");
    law.succeeds(append(&law, &b, Any, 1, &[("once", 0..1)]), "the same key for another stream");
}

/// An append fails and stores nothing if it has a key twice, or a key for events that it does not have.
pub fn malformed_key_leaves_no_trace<S: EventStore>(store: &S) {
    let law = Law::new("malformed_key_leaves_no_trace", store);
    let a = stream("a");
    #[expect(clippy::reversed_empty_ranges, reason = "a reversed range makes a key malformed")]
    let malformed: [&[(&str, Range<usize>)]; 3] =
        [&[("k", 0..3)], &[("k", 2..1)], &[("k", 0..1), ("k", 1..2)]];
    for keys in malformed {
        let result = append(&law, &a, Any, 2, keys);
        law.holds(
            matches!(&result, Err(AppendError::MalformedKey { key, .. }) if key == "k"),
            format_args!("{keys:?} gave {result:?}"),
        );
    }
    law.equal(outcome(&law, &a, "k"), None, "the outcome of a malformed key");
    law.has_exactly(&[], "after malformed keys");
}

/// `forget_keys_before` forgets the keys recorded before a time, and no others; a forgotten key counts as
/// new.
pub fn keys_are_forgotten_by_time<S: EventStore>(store: &S) {
    let law = Law::new("keys_are_forgotten_by_time", store);
    let a = stream("a");
    for (key, micros) in [("old", 10), ("border", 20), ("new", 30)] {
        let recorded_at = Timestamp::from_micros(micros);
        let keys = [NewKey::new(key, 0..0, recorded_at)];
        let result = law.store.append(&[Append { keys: &keys, ..Append::new(&a, Any, &[]) }]);
        law.succeeds(result, "an append of a key");
    }
    let forgotten = law.succeeds(law.store.forget_keys_before(Timestamp::from_micros(20)), "forgetting");
    law.equal(forgotten, 1, "the number of keys forgotten");
    law.equal(outcome(&law, &a, "old"), None, "the outcome of a forgotten key");
    law.equal(outcome(&law, &a, "border"), Some((0, 0)), "the outcome of a key as old as the time");
    law.equal(outcome(&law, &a, "new"), Some((0, 0)), "the outcome of a newer key");
    law.succeeds(append(&law, &a, Any, 1, &[("old", 0..1)]), "an append with a forgotten key");
}

/// Of concurrent appends with one key one is stored; the others fail with its outcome.
pub fn concurrent_appends_with_one_key_have_one_winner<S: EventStore>(store: &S) {
    let law = Law::new("concurrent_appends_with_one_key_have_one_winner", store);
    for round in 0..10 {
        let shared = stream(&round.to_string());
        let won = at_once(|thread| match append(&law, &shared, Any, thread + 1, &[("k", 0..thread + 1)]) {
            Ok(appended) => (true, appended.versions[0]),
            Err(AppendError::KnownKey { outcome, .. }) => (false, outcome.version),
            Err(error) => {
                law.holds(false, format_args!("an append with a key failed: {error}"));
                (false, 0)
            }
        });
        law.equal(won.iter().filter(|(won, _)| *won).count(), 1, "the number of winners");
        law.equal(won.len(), THREADS, "the number of answers");
        let version = law.version(&shared);
        law.holds(won.iter().all(|(_, at)| *at == version), format_args!("{won:?} at version {version}"));
    }
    law.has_no_gaps();
}

/// A store may keep snapshots or not. One that it returns is the last one saved for that stream, unchanged.
pub fn snapshot_comes_back_or_not_at_all<S: EventStore>(store: &S) {
    let law = Law::new("snapshot_comes_back_or_not_at_all", store);
    let [a, b, missing] = ["snapshot-a", "snapshot-b", "missing"].map(stream);
    for stream in [&a, &b] {
        law.append_any(stream, &facts(3));
    }
    let [first, second, other] = [1_u8, 2, 3].map(|byte| vec![byte; 5_000 * usize::from(byte)]);
    for (stream, version, state) in [(&a, 1, &first), (&b, 3, &other), (&a, 2, &second)] {
        let result = law.store.save_snapshot(stream, &snapshot(version, state));
        law.succeeds(result, format_args!("saving a snapshot of {stream}"));
    }
    for when in ["at once", "after another append"] {
        for (stream, version, state) in [(&a, 2, &second), (&b, 3, &other)] {
            if let Some((found, kept)) = read(&law, stream) {
                law.equal(found, version, format_args!("the version of the snapshot of {stream} {when}"));
                law.holds(kept == *state, format_args!("the state of {stream} is another {when}"));
            }
        }
        law.equal(read(&law, &missing), None, "the snapshot of a stream that has none");
        law.append_any(&b, &facts(1));
    }
}

/// Dropped snapshots stay gone, and snapshots of other categories are not dropped.
pub fn dropped_snapshots_are_gone<S: EventStore>(store: &S) {
    let law = Law::new("dropped_snapshots_are_gone", store);
    let [a, b] = [StreamName::new("kind-a", "1"), StreamName::new("kind-b", "1")];
    for stream in [&a, &b] {
        law.append_any(stream, &facts(3));
        law.succeeds(law.store.save_snapshot(stream, &snapshot(3, b"state")), "saving a snapshot");
        law.append_any(stream, &facts(1));
        law.succeeds(law.store.save_snapshot(stream, &snapshot(4, b"state")), "saving another");
    }
    let kept = read(&law, &b);
    law.succeeds(law.store.drop_snapshots(Some("kind-a")), "dropping one category");
    law.equal(read(&law, &a), None, "a dropped snapshot");
    law.equal(read(&law, &b), kept, "the snapshot of another category");
    law.succeeds(law.store.drop_snapshots(None), "dropping all");
    law.equal(read(&law, &b), None, "a dropped snapshot");
    law.append_any(&a, &facts(1));
    law.equal(read(&law, &a), None, "a dropped snapshot after another append");
}

fn snapshot(version: u64, state: &[u8]) -> StoredSnapshot<'_> {
    StoredSnapshot {
        version,
        position: Position::new(version + 7),
        event: Some(Uuid::from_u128(u128::MAX - u128::from(version))),
        taken_at: Timestamp::from_micros(-5),
        fingerprint: u64::MAX - 1,
        checksum: u64::MAX,
        state,
    }
}

/// The version and the state of a stream's snapshot; its other fields must be those of [`snapshot`].
fn read<S: EventStore>(law: &Law<'_, S>, stream: &StreamName) -> Option<(u64, Vec<u8>)> {
    let mut found = None;
    let result = law.store.read_snapshot(stream, &mut |kept| {
        law.equal(*kept, snapshot(kept.version, kept.state), "the snapshot as it was saved");
        found = Some((kept.version, kept.state.to_vec()));
    });
    law.succeeds(result, format_args!("reading the snapshot of {stream}"));
    found
}

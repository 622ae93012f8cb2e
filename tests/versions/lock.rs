//! `events.lock` and the golden payloads: what the check writes, and what it refuses.

mod files;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use factum::prelude::*;
use factum::testing::Lock;
use factum::{EventSchema, IntoEvents};
use serde::{Deserialize, Serialize};

/// An aggregate at several times of a code base: the door, with these events.
macro_rules! door {
    ($time:ident { $($event:item)* } events($($listed:ident),*) $(retired($($retired:tt),*))?) => {
        mod $time {
            use super::*;

            $($event)*

            #[derive(Debug, Command)]
            pub(super) struct Knock(String);

            #[derive(Debug, Default, Clone, Aggregate)]
            #[aggregate(name = "door", id = String, commands(Knock), events($($listed),*), $(retired($($retired),*))?)]
            pub(super) struct Door;

            #[handlers]
            impl Door {
                #[execute]
                fn knock(&self, _: Knock) {}
            }

            $(impl Apply<$listed> for Door {
                fn apply(&mut self, _: &$listed) {}
            })*
        }
    };
}

#[derive(Debug, Serialize, Deserialize, EventSchema)]
pub(crate) enum Side {
    Left,
    Right,
}

door! { first {
    #[derive(Debug, Serialize, Deserialize, Event)]
    #[serde(rename_all = "camelCase")]
    #[event(name = "opened")]
    pub(super) struct Opened { pub(super) by_whom: String, pub(super) side: Option<Side> }

    #[derive(Debug, Serialize, Deserialize, Event)]
    #[event(name = "shut")]
    pub(super) struct Shut;
} events(Opened, Shut) }

// As `first`, with one field changed and one added, but without a new version.
door! { careless {
    #[derive(Debug, Serialize, Deserialize, Event)]
    #[serde(rename_all = "camelCase")]
    #[event(name = "opened")]
    pub(super) struct Opened { pub(super) by_whom: u64, pub(super) side: Option<Side>, pub(super) at: u8 }

    #[derive(Debug, Serialize, Deserialize, Event)]
    #[event(name = "shut")]
    pub(super) struct Shut;
} events(Opened, Shut) }

// The same changes, declared. The other event has another name.
door! { second {
    #[derive(Debug, Serialize, Deserialize, Event)]
    #[serde(rename_all = "camelCase")]
    #[event(name = "opened", version = 2)]
    pub(super) struct Opened {
        #[event(changed(since = 2, from = String, with = |name| name.len()))]
        pub(super) by_whom: usize,
        pub(super) side: Option<Side>,
        #[event(added(since = 2, default = 7))]
        pub(super) at: u8,
    }

    #[derive(Debug, Serialize, Deserialize, Event)]
    #[event(name = "closed", aliases("shut"))]
    pub(super) struct Closed;
} events(Opened, Closed) }

// One event is gone, without a declaration.
door! { forgetful {
    #[derive(Debug, Serialize, Deserialize, Event)]
    #[event(name = "shut")]
    pub(super) struct Shut;
} events(Shut) }

// One event is gone, and declared as retired.
door! { retiring {
    #[derive(Debug, Serialize, Deserialize, Event)]
    #[event(name = "shut")]
    pub(super) struct Shut;
} events(Shut) retired("opened") }

/// Its values are equal after writing and reading, although a field is lost.
mod lossy {
    use super::*;

    #[derive(Debug, Serialize, Deserialize, Event)]
    #[event(name = "opened")]
    pub(super) struct Opened {
        #[serde(skip_serializing_if = "Option::is_some", default)]
        pub(super) side: Option<Side>,
    }

    #[derive(Debug, Command)]
    pub(super) struct Knock(String);

    #[derive(Debug, Default, Clone, Aggregate)]
    #[aggregate(name = "door", id = String, commands(Knock), events(Opened))]
    pub(super) struct Door;

    #[handlers]
    impl Door {
        #[execute]
        fn knock(&self, _: Knock) {}

        #[apply]
        fn opened(&mut self, _: &Opened) {}
    }
}

fn lock<A: Aggregate>(folder: &Path, examples: impl IntoEvents<A>) -> Lock {
    Lock::of_crate(folder).aggregate::<A>(examples)
}

/// The message of a check that fails.
fn failure(lock: Lock) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| lock.check())).expect_err("the check should fail");
    panic.downcast_ref::<String>().expect("a message").clone()
}

fn opened() -> first::Opened {
    first::Opened { by_whom: "Ada".into(), side: Some(Side::Left) }
}

fn files(folder: &Path) -> [String; 2] {
    ["events.lock", "events.golden"].map(|name| {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        text.split_inclusive('\n').filter(|line| !line.starts_with('#')).collect()
    })
}

/// A folder with the lock of the first door.
fn recorded() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    lock::<first::Door>(folder.path(), (opened(), first::Shut)).write_new().check();
    folder
}

#[test]
fn shapes_and_examples_are_written_once_and_then_hold() {
    let folder = tempfile::tempdir().unwrap();
    let missing = failure(lock::<first::Door>(folder.path(), (opened(), first::Shut)).check_only());
    assert!(
        missing.contains("events.lock lacks what is new")
            && missing.contains("  + event opened 1 byWhom String\n")
    );
    assert!(!folder.path().join("events.lock").exists());

    let folder = recorded();
    let [lines, golden] = files(folder.path());
    let side = lines.lines().find_map(|line| line.strip_prefix("event opened 1 side Option<Side> #"));
    let side = side.expect("a fingerprint").to_owned();
    assert_eq!(side.len(), 16);
    let hash =
        lines.lines().find_map(|line| line.strip_prefix("event opened 1 #")).expect("a hash of the fields");
    assert_eq!(
        lines,
        format!(
            "aggregate door event opened\naggregate door event shut\nevent opened 1 #{hash}\nevent opened 1 byWhom String\n\
             event opened 1 side Option<Side> #{side}\nevent shut 1 #cbf29ce484222325\n"
        )
    );
    assert_eq!(golden, "door opened 1 {\"byWhom\":\"Ada\",\"side\":\"Left\"}\ndoor shut 1 null\n");
    lock::<first::Door>(folder.path(), (opened(), first::Shut)).check_only().check();
    // Another example changes nothing: the lock keeps the first one.
    let other = first::Opened { by_whom: "Bob".into(), side: None };
    lock::<first::Door>(folder.path(), (other, first::Shut)).write_new().check();
    assert_eq!(files(folder.path()), [lines, golden]);
}

#[test]
fn a_change_without_a_new_version_is_refused_and_nothing_is_written() {
    let folder = recorded();
    let before = files(folder.path());
    let changed = careless::Opened { by_whom: 7, side: None, at: 1 };
    let message = failure(lock::<careless::Door>(folder.path(), (changed, careless::Shut)).write_new());
    for line in [
        "  - event opened 1 byWhom String\n",
        "  + event opened 1 byWhom u64\n",
        "  + event opened 1 at u8\n",
    ] {
        assert!(message.contains(line), "{message}");
    }
    assert_eq!(files(folder.path()), before);
}

#[test]
fn a_declared_change_adds_lines_and_changes_none() {
    let folder = recorded();
    let [lines, golden] = files(folder.path());
    let examples = || (second::Opened { by_whom: 7, side: None, at: 1 }, second::Closed);
    let message = failure(lock::<second::Door>(folder.path(), examples()).check_only());
    assert!(message.contains("  + event opened 2 at u8\n"), "{message}");
    lock::<second::Door>(folder.path(), examples()).write_new().check();
    let [new_lines, new_golden] = files(folder.path());
    for line in lines.lines().chain(golden.lines()) {
        assert!(new_lines.contains(line) || new_golden.contains(line), "{line}");
    }
    assert!(new_lines.contains("event opened 2 byWhom usize\n"), "{new_lines}");
    assert!(new_golden.contains("door opened 2 {\"byWhom\":7,\"side\":null,\"at\":1}\n"), "{new_golden}");
    lock::<second::Door>(folder.path(), examples()).check_only().check();
    // The check fails for the earlier code.
    let message = failure(lock::<first::Door>(folder.path(), (opened(), first::Shut)).write_new());
    assert!(message.contains("event opened 2"), "{message}");
}

#[test]
fn an_event_may_be_retired_but_neither_forgotten_nor_revived() {
    let folder = recorded();
    let message = failure(lock::<forgetful::Door>(folder.path(), forgetful::Shut).write_new());
    assert!(message.contains("  - aggregate door event opened\n"), "{message}");
    lock::<retiring::Door>(folder.path(), retiring::Shut).write_new().check();
    let message = failure(lock::<first::Door>(folder.path(), (opened(), first::Shut)).write_new());
    assert!(message.contains("  - aggregate door retired opened\n"), "{message}");
}

#[test]
fn every_event_needs_an_example_that_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let message = failure(lock::<first::Door>(folder.path(), opened()).write_new());
    assert_eq!(message, "`shut` has no example: give `lock!` one for every event of `door`");
    let forgets = lossy::Opened { side: Some(Side::Right) };
    let message = failure(lock::<lossy::Door>(folder.path(), forgets).write_new());
    assert!(message.starts_with("the example of `opened` is written as {}, and read as"), "{message}");
}

#[test]
fn an_example_that_can_not_be_read_any_more_is_an_error() {
    let folder = recorded();
    let path = folder.path().join("events.golden");
    let golden = fs::read_to_string(&path).unwrap();
    fs::write(&path, golden.replace("\"byWhom\":\"Ada\"", "\"byWhom\":3")).unwrap();
    let message = failure(lock::<first::Door>(folder.path(), (opened(), first::Shut)).write_new());
    assert!(message.starts_with("the kept example of `opened` version 1, {\"byWhom\":3,"), "{message}");
    assert!(message.contains("can't be read any more"), "{message}");
}

#[test]
fn a_lock_refuses_two_events_of_one_name() {
    let folder = tempfile::tempdir().unwrap();
    let both = lock::<first::Door>(folder.path(), (opened(), first::Shut))
        .aggregate::<lossy::Door>(lossy::Opened { side: None });
    assert!(failure(both.write_new()).starts_with("two events are called `opened`"));
}

/// As `first`, under another name.
#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(name = "gate", id = String, commands(Enter), events(Entered))]
struct Gate;

#[derive(Debug, Command)]
struct Enter(String);

#[derive(Debug, Serialize, Deserialize, Event)]
struct Entered {
    #[serde(with = "lost")]
    unseen: u8,
}

/// Loses the value.
mod lost {
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it so")]
    pub(super) fn serialize<S: Serializer>(_: &u8, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
        <()>::deserialize(deserializer).map(|()| 0)
    }
}

#[handlers]
impl Gate {
    #[execute]
    fn enter(&self, _: Enter) -> Entered {
        Entered { unseen: 1 }
    }

    #[apply]
    fn entered(&mut self, _: &Entered) {}
}

#[test]
fn an_aggregate_that_is_recorded_and_not_there_is_an_error() {
    let folder = recorded();
    let message = failure(lock::<Gate>(folder.path(), Entered { unseen: 0 }).write_new());
    assert!(message.contains("  - aggregate door event opened\n"), "{message}");
}

#[test]
fn every_example_is_checked_with_fields_that_serde_loses() {
    let folder = tempfile::tempdir().unwrap();
    let examples = [Entered { unseen: 0 }, Entered { unseen: 9 }, Entered { unseen: 0 }];
    let message = failure(lock::<Gate>(folder.path(), examples).write_new());
    assert!(
        message.contains("Entered { unseen: 9 }") && message.contains("Entered { unseen: 0 }"),
        "{message}"
    );
}

// As `first`. A nested type has another name and an equal shape.
door! { renaming {
    #[derive(Debug, Serialize, Deserialize, EventSchema)]
    pub(super) enum Flank { Left, Right }

    #[derive(Debug, Serialize, Deserialize, Event)]
    #[serde(rename_all = "camelCase")]
    #[event(name = "opened")]
    pub(super) struct Opened { pub(super) by_whom: String, pub(super) side: Option<Flank> }

    #[derive(Debug, Serialize, Deserialize, Event)]
    #[event(name = "shut")]
    pub(super) struct Shut;
} events(Opened, Shut) }

#[test]
fn a_type_may_be_renamed_if_its_shape_stays() {
    let folder = recorded();
    let before = files(folder.path());
    let opened = renaming::Opened { by_whom: "Ada".into(), side: Some(renaming::Flank::Right) };
    lock::<renaming::Door>(folder.path(), (opened, renaming::Shut)).check_only().check();
    assert_eq!(files(folder.path()), before);
    // A recorded type without a fingerprint may get one.
    let path = folder.path().join("events.lock");
    let text = fs::read_to_string(&path).unwrap();
    let without: Vec<_> =
        text.lines().map(|line| line.rsplit_once(" #").map_or(line, |(line, _)| line)).collect();
    fs::write(&path, without.join("\n")).unwrap();
    lock::<first::Door>(folder.path(), (self::opened(), first::Shut)).check_only().check();
}

#[test]
fn tests_that_write_at_once_lose_nothing() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        // The lock that records the second aggregate names both, as all of these do.
        let both = || {
            lock::<first::Door>(folder.path(), (opened(), first::Shut))
                .aggregate::<Gate>(Entered { unseen: 0 })
                .write_new()
                .check();
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(both);
            }
        });
        assert_eq!(files(folder.path())[1].lines().count(), 3);
    }
}

#[test]
#[expect(clippy::items_after_statements, reason = "each type stands beside its assertions")]
fn a_fingerprint_depends_on_shapes_not_on_names() {
    #[derive(EventSchema)]
    struct Point {
        _x: u8,
        _side: Side,
    }
    #[derive(EventSchema)]
    struct AlsoPoint {
        _x: u8,
        _side: Side,
    }
    #[derive(EventSchema)]
    struct Wider {
        _x: u16,
        _side: Side,
    }
    #[derive(EventSchema)]
    struct Tagged {
        #[expect(dead_code, reason = "only its shape matters")]
        x: u8,
        #[expect(dead_code, reason = "only its shape matters")]
        side: Other,
    }
    #[derive(EventSchema)]
    enum Other {
        #[expect(dead_code, reason = "only its shape matters")]
        Left,
    }
    assert_eq!(Point::FINGERPRINT, AlsoPoint::FINGERPRINT);
    assert_ne!(Point::FINGERPRINT, Wider::FINGERPRINT);
    assert_ne!(Side::FINGERPRINT, Other::FINGERPRINT);
    assert_ne!(Tagged::FINGERPRINT, Point::FINGERPRINT);
    // A nested type counts in any place: in a tuple, as a key.
    #[derive(EventSchema)]
    struct Pair(
        #[expect(dead_code, reason = "only its shape matters")] (Option<Side>, u8),
        #[expect(dead_code, reason = "only its shape matters")] std::collections::BTreeMap<Side, u8>,
    );
    mod otherwise {
        #[derive(super::EventSchema)]
        pub(super) enum Side {
            #[expect(dead_code, reason = "only its shape matters")]
            Left,
        }
        #[derive(super::EventSchema)]
        pub(super) struct Pair(
            #[expect(dead_code, reason = "only its shape matters")] (Option<Side>, u8),
            #[expect(dead_code, reason = "only its shape matters")]
            std::collections::BTreeMap<super::Side, u8>,
        );
        #[derive(super::EventSchema)]
        pub(super) struct Keyed(
            #[expect(dead_code, reason = "only its shape matters")] (Option<super::Side>, u8),
            #[expect(dead_code, reason = "only its shape matters")] std::collections::BTreeMap<Side, u8>,
        );
    }
    assert_ne!(Pair::FINGERPRINT, otherwise::Pair::FINGERPRINT);
    assert_ne!(Pair::FINGERPRINT, otherwise::Keyed::FINGERPRINT);
    assert_ne!(<Vec<Side> as EventSchema>::FINGERPRINT, <Vec<Other> as EventSchema>::FINGERPRINT);
    assert_ne!(<Vec<Side> as EventSchema>::FINGERPRINT, <Option<Side> as EventSchema>::FINGERPRINT);
    assert_ne!(<[Side; 2] as EventSchema>::FINGERPRINT, <[Side; 3] as EventSchema>::FINGERPRINT);
}

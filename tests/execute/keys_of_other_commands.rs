//! Idempotency keys that come with another command than the first time, and rows of keys that are damaged.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::sync::Arc;

use factum::prelude::*;
use factum::store::{AppendError, KeyReused, StoreError};
use factum::{ReadError, with_causes};
use serde::{Deserialize, Serialize};

use crate::support::account::{Account, AccountCommand, Deposit, Refused, deposit, id, open, withdraw};
use crate::support::stores::{doctor, open_store, stores};

fn key(key: &str) -> ExecuteOptions<'static> {
    ExecuteOptions::new().idempotency_key(key)
}

#[track_caller]
fn reused<T, E: Error + Send + Sync + 'static>(result: Result<T, ExecuteError<E>>) -> KeyReused {
    match result {
        Err(ExecuteError::KeyReused(reused)) => reused,
        Err(other) => panic!("{}", with_causes(&other)),
        Ok(_) => panic!("the key was taken for that of the same command"),
    }
}

#[test]
fn another_command_with_a_known_key_is_an_error() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        let first = accounts.execute_with(deposit("alice", 5), &key("a")).unwrap();
        let at = first.events()[0].recorded_at;
        let others = [
            reused(accounts.execute_with(deposit("alice", 7_000), &key("a"))),
            reused(accounts.execute_with(withdraw("alice", 5), &key("a"))),
            // The retry of a command that could not be carried out at all.
            reused(accounts.execute_with(withdraw("alice", 9_999), &key("a").retry(3))),
        ];
        for error in others {
            assert_eq!((&*error.key, &*error.first, error.version), ("a", "Deposit", 2));
            assert_eq!(error.stream, *accounts.load(&id("alice")).unwrap().stream());
            assert!(error.recorded_at >= at && error.recorded_at <= Timestamp::now());
            let text = error.to_string();
            assert!(
                text.contains("`a`") && text.contains("`Deposit`") && text.contains("version 2"),
                "{text}"
            );
        }
        // The command is the same as a variant of the enum.
        let again = AccountCommand::Deposit(deposit("alice", 5));
        assert!(accounts.execute_with(again, &key("a")).unwrap().is_repeated());
        assert_eq!(accounts.load(&id("alice")).unwrap().state().cents, 5);
    }
}

#[test]
fn another_command_in_a_batch_or_unit_of_work_is_an_error() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute_with(open("alice"), &key("a")).unwrap();
        let batch = [(deposit("alice", 1), key("b")), (deposit("alice", 2), key("a"))];
        let error = accounts.execute_batch_with(&id("alice"), batch).unwrap_err();
        assert_eq!(error.index, Some(1));
        assert_eq!(reused(Err::<(), _>(error.source)).first, "Open");

        let mut work = store.unit_of_work();
        let known = work.execute_with(&accounts, open("alice"), &key("a")).unwrap_err();
        assert!(matches!(known, ExecuteError::Append(AppendError::KnownKey { .. })), "{known}");
        assert_eq!(reused(work.execute_with(&accounts, deposit("alice", 1), &key("a"))).first, "Open");
        // Another writer is faster, with another command.
        work.execute_with(&accounts, deposit("alice", 1), &key("c")).unwrap();
        accounts.execute_with(deposit("alice", 2), &key("c")).unwrap();
        match work.commit().unwrap_err() {
            AppendError::KeyReused(reused) => assert_eq!((&*reused.key, reused.version), ("c", 2)),
            other => panic!("{other}"),
        }
        assert_eq!(accounts.load(&id("alice")).unwrap().state().cents, 2);
    }
}

#[test]
fn of_concurrent_commands_with_one_key_one_is_executed() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        for round in 0..20 {
            let options = key(&round.to_string()).retry(100);
            let before = accounts.load(&id("alice")).unwrap().state().cents;
            let (accounts, options) = (&accounts, &options);
            let results: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (1..=4)
                    .map(|cents| scope.spawn(move || accounts.execute_with(deposit("alice", cents), options)))
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let (done, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
            assert_eq!(done.len(), 1);
            for result in failed {
                assert_eq!(reused(result).first, "Deposit");
            }
            let after = accounts.load(&id("alice")).unwrap().state().cents;
            assert!((1..=4).contains(&(after - before)), "{before} to {after}");
        }
    }
}

/// Aggregates with one stream, as two versions of one program have them.
macro_rules! program {
    ($module:ident: $($command:tt)*) => {
        mod $module {
            use super::*;

            #[derive(Debug, Serialize, Deserialize, Event)]
            pub(super) struct Added;

            $($command)*

            #[derive(Debug, Default, Clone, Aggregate)]
            #[aggregate(name = "sum", id = String, commands(Add), events(Added))]
            pub(super) struct Sum;

            #[handlers]
            impl Sum {
                #[execute]
                fn add(&self, _: Add) -> Added {
                    Added
                }
                #[apply]
                fn added(&mut self, _: &Added) {}
            }

            pub(super) fn run(store: &Arc<dyn EventStore>, command: Add) -> Result<bool, String> {
                match store.repository::<Sum>().execute_with(command, &key("k")) {
                    Ok(done) => Ok(done.is_repeated()),
                    Err(ExecuteError::KeyReused(error)) => Err(error.first),
                    Err(other) => panic!("{other}"),
                }
            }
        }
    };
}

program! { shown: #[expect(dead_code, reason = "only `Debug` reads them")] #[derive(Debug, Command)] pub(super) struct Add { #[command(id)] pub(super) id: String, pub(super) n: u64 } }
program! { written: #[derive(Debug, Serialize, Command)] pub(super) struct Add { #[command(id)] pub(super) id: String, pub(super) n: u64 } }
program! { wider: #[expect(dead_code, reason = "only `Debug` reads them")] #[derive(Debug, Command)] pub(super) struct Add { #[command(id)] pub(super) id: String, pub(super) n: u64, pub(super) note: Option<u8> } }
program! { longer: #[expect(dead_code, reason = "only `Debug` reads them")] #[derive(Debug, Command)] pub(super) struct Add { #[command(id)] pub(super) id: String, pub(super) n: i128 } }
program! {
    unordered: #[expect(dead_code, reason = "only `Debug` reads them")] #[derive(Debug, Command)] pub(super) struct Add { #[command(id)] pub(super) id: String, pub(super) all: HashMap<u8, HashSet<u8>> }
}
program! {
    unordered_written: #[derive(Debug, Serialize, Command)] pub(super) struct Add { #[command(id)] pub(super) id: String, pub(super) all: HashMap<u8, HashSet<u8>> }
}
program! {
    secret:
    #[derive(Serialize, Command)] pub(super) struct Add { #[command(id)] pub(super) id: String, pub(super) password: String }
    impl std::fmt::Debug for Add {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Add")
        }
    }
}

program! { lines: #[derive(Debug, Serialize)] pub(super) struct Line { pub(super) n: u8 } #[derive(Debug, Serialize, Command)] pub(super) struct Add { #[command(id)] pub(super) id: String, pub(super) lines: Vec<Line> } }
program! { longer_lines: #[derive(Debug, Serialize)] pub(super) struct Line { pub(super) n: u8, #[serde(default)] pub(super) note: Option<u8> } #[derive(Debug, Serialize, Command)] pub(super) struct Add { #[command(id)] pub(super) id: String, pub(super) lines: Vec<Line> } }
program! { shown_lines: #[expect(dead_code, reason = "only `Debug` reads them")] #[derive(Debug)] pub(super) struct Line { pub(super) n: u8 } #[expect(dead_code, reason = "only `Debug` reads them")] #[derive(Debug, Command)] pub(super) struct Add { #[command(id)] pub(super) id: String, pub(super) lines: Vec<Line> } }
program! { longer_shown_lines: #[expect(dead_code, reason = "only `Debug` reads them")] #[derive(Debug)] pub(super) struct Line { pub(super) n: u8, pub(super) note: Option<u8> } #[expect(dead_code, reason = "only `Debug` reads them")] #[derive(Debug, Command)] pub(super) struct Add { #[command(id)] pub(super) id: String, pub(super) lines: Vec<Line> } }
program! {
    inches:
    #[derive(Clone, PartialEq, Eq, Hash)] pub(super) struct Inches(pub(super) u8);
    impl std::fmt::Debug for Inches {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{}\"", self.0)
        }
    }
    #[expect(dead_code, reason = "only `Debug` reads them")] #[derive(Debug, Command)] pub(super) struct Add { #[command(id)] pub(super) id: String, pub(super) sizes: HashSet<Inches> }
}

fn a() -> String {
    "a".to_owned()
}

/// A type inside the command, without a recorded shape, has got a field between two tries.
#[test]
fn a_command_of_structs_that_have_changed_is_the_first_one() {
    macro_rules! check {
        ($store:expr, $old:ident, $new:ident) => {
            let old = |numbers: &[u8]| $old::Add {
                id: a(),
                lines: numbers.iter().map(|n| $old::Line { n: *n }).collect(),
            };
            let new = |numbers: &[u8]| $new::Add {
                id: a(),
                lines: numbers.iter().map(|n| $new::Line { n: *n, note: None }).collect(),
            };
            assert_eq!($old::run($store, old(&[1, 2])), Ok(false));
            assert_eq!($new::run($store, new(&[1, 2])), Ok(true));
            assert_eq!($old::run($store, old(&[1, 2])), Ok(true));
            // Without such a type in it, the command can be compared.
            assert_eq!($new::run($store, new(&[])), Err("Add".to_owned()));
            assert_eq!($old::run($store, old(&[1])), Err("Add".to_owned()));
        };
    }
    for store in stores() {
        check!(&store, lines, longer_lines);
    }
    for store in stores() {
        check!(&store, shown_lines, longer_shown_lines);
    }
}

#[test]
fn the_order_of_a_list_makes_another_command() {
    let lines = |numbers: [u8; 2]| lines::Add { id: a(), lines: numbers.map(|n| lines::Line { n }).into() };
    for store in stores() {
        assert_eq!(lines::run(&store, lines([1, 2])), Ok(false));
        assert_eq!(lines::run(&store, lines([1, 2])), Ok(true));
        assert_eq!(lines::run(&store, lines([2, 1])), Err("Add".to_owned()));
    }
}

/// The `Debug` texts of a set's elements have half of a pair of quotes.
#[test]
fn quotes_in_debug_texts_make_no_other_command() {
    let add =
        |sizes: std::ops::Range<u8>| inches::Add { id: a(), sizes: sizes.map(inches::Inches).collect() };
    for store in stores() {
        assert_eq!(inches::run(&store, add(0..20)), Ok(false));
        for _ in 0..5 {
            assert_eq!(inches::run(&store, add(0..20)), Ok(true));
        }
        assert_eq!(inches::run(&store, add(1..20)), Err("Add".to_owned()));
    }
}

#[test]
fn a_command_whose_shape_has_changed_is_the_first_one() {
    for store in stores() {
        assert_eq!(shown::run(&store, shown::Add { id: a(), n: 1 }), Ok(false));
        assert_eq!(shown::run(&store, shown::Add { id: a(), n: 1 }), Ok(true));
        assert_eq!(shown::run(&store, shown::Add { id: a(), n: 2 }), Err("Add".to_owned()));
        assert_eq!(written::run(&store, written::Add { id: a(), n: 1 }), Ok(true));
        assert_eq!(wider::run(&store, wider::Add { id: a(), n: 1, note: None }), Ok(true));
        assert_eq!(longer::run(&store, longer::Add { id: a(), n: 1 }), Ok(true));
    }
}

#[test]
fn contents_are_compared_by_serde_where_the_command_is_serializable() {
    for store in stores() {
        assert_eq!(written::run(&store, written::Add { id: a(), n: 1 }), Ok(false));
        assert_eq!(written::run(&store, written::Add { id: a(), n: 2 }), Err("Add".to_owned()));
    }
    for store in stores() {
        let with = |password: &str| secret::Add { id: a(), password: password.to_owned() };
        assert_eq!(secret::run(&store, with("one")), Ok(false));
        assert_eq!(secret::run(&store, with("one")), Ok(true));
        assert_eq!(secret::run(&store, with("two")), Err("Add".to_owned()));
    }
}

#[test]
fn the_order_of_maps_and_sets_makes_no_other_command() {
    let all = || (0..20).map(|key| (key, (0..key).collect())).collect();
    for store in stores() {
        assert_eq!(unordered::run(&store, unordered::Add { id: a(), all: all() }), Ok(false));
        for _ in 0..5 {
            assert_eq!(unordered::run(&store, unordered::Add { id: a(), all: all() }), Ok(true));
        }
        let less = unordered::Add { id: a(), all: HashMap::new() };
        assert_eq!(unordered::run(&store, less), Err("Add".to_owned()));
    }
    for store in stores() {
        let add = || unordered_written::Add { id: a(), all: all() };
        assert_eq!(unordered_written::run(&store, add()), Ok(false));
        for _ in 0..5 {
            assert_eq!(unordered_written::run(&store, add()), Ok(true));
        }
    }
}

/// A command by hand is told from others by its type and its `Debug` text.
#[test]
fn a_command_by_hand_has_a_mark() {
    #[derive(Debug)]
    struct ByHand(#[expect(dead_code, reason = "only `Debug` reads it")] HashSet<u8>);

    impl Command for ByHand {
        const NAME: &'static str = "by-hand";

        type Id = ();

        fn aggregate_id(&self) -> &() {
            &()
        }
    }

    let mark = |numbers: std::ops::Range<u8>| ByHand(numbers.collect()).mark();
    assert_eq!(mark(0..20), mark(0..20));
    assert!(mark(0..20).is_another(&mark(0..19)));
    assert_eq!(mark(0..2).name, "ByHand");
    assert!(mark(0..2).is_another(&deposit("alice", 1).mark()));
}

/// Runs a deposit with a key, between two others, then `sql` past the store, and then the deposit again.
fn again_after(sql: &str) -> Result<(u64, bool), ExecuteError<Refused>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let accounts = open_store(&file).repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute_with(deposit("alice", 5), &key("k")).unwrap();
    accounts.execute(deposit("alice", 6)).unwrap();
    doctor(&file, sql);
    let deposit: Deposit = deposit("alice", 5);
    accounts.execute_with(deposit, &key("k")).map(|done| (done.version(), done.is_repeated()))
}

#[test]
fn a_key_of_an_earlier_factum_is_believed_as_before() {
    let unmarked = "UPDATE factum_keys SET command = NULL, shape = NULL, content = NULL, checksum = NULL, checksum = NULL";
    assert_eq!(again_after(unmarked).unwrap(), (2, true));
}

#[test]
fn a_damaged_key_is_an_error() {
    for damage in [
        "version = 999",
        "version = 0",
        "version = 1",
        "version = 3",
        "version = -2",
        "before = -1",
        "before = 0",
        "before = 2",
        "before = 9",
        "before = 0, version = 0",
        "command = NULL",
        "content = content + 1",
        "recorded_at = recorded_at - 1",
        "before = 0, version = 3",
        "before = -9223372036854775807, version = 9223372036854775807",
        "before = 9223372036854775807, version = 9223372036854775807",
    ] {
        let error = again_after(&format!("UPDATE factum_keys SET {damage}")).unwrap_err();
        let ExecuteError::Read(ReadError::Store {
            source: StoreError::DamagedKey { stream, key, .. }, ..
        }) = &error
        else {
            panic!("{damage}: {}", with_causes(&error));
        };
        assert_eq!((stream.as_str(), &**key), ("account/alice", "k"), "{damage}");
    }
    // Without a checksum, as an earlier factum has stored it, only what can't be true is found.
    for damage in ["version = 999", "version = 0", "before = -1", "before = 3", "version = 9, before = 8"] {
        let error = again_after(&format!("UPDATE factum_keys SET {damage}, checksum = NULL")).unwrap_err();
        let text = with_causes(&error);
        assert!(text.contains("the idempotency key `k` of account/alice is damaged"), "{damage}: {text}");
    }
}

mod renamed {
    use super::*;

    #[derive(Debug, Serialize, Command)]
    #[command(name = "add")]
    pub(super) struct Increase {
        #[command(id)]
        pub(super) id: String,
        pub(super) n: u64,
    }

    #[derive(Debug, Serialize, Deserialize, Event)]
    pub(super) struct Added;

    #[derive(Debug, Default, Clone, Aggregate)]
    #[aggregate(name = "sum", id = String, commands(Increase), events(Added))]
    pub(super) struct Sum;

    #[handlers]
    impl Sum {
        #[execute]
        fn add(&self, _: Increase) -> Added {
            Added
        }
        #[apply]
        fn added(&mut self, _: &Added) {}
    }
}

#[test]
fn a_struct_that_was_renamed_is_the_same_command() {
    for store in stores() {
        assert_eq!(written::run(&store, written::Add { id: "a".into(), n: 1 }), Ok(false));
        let sums = store.repository::<renamed::Sum>();
        let again = |n| sums.execute_with(renamed::Increase { id: "a".into(), n }, &key("k"));
        assert!(again(1).unwrap().is_repeated());
        assert_eq!(reused(again(2)).first, "Add");
    }
}

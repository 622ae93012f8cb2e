//! Stored events that this program cannot read: an error, never skipped, never a panic.

use factum::prelude::*;
use factum::sqlite::rusqlite::Connection;
use factum::{DecodeError, EncodeError, LoadError, Position, ReadError};
use serde::{Deserialize, Serialize};

use crate::support::account::{Account, deposit, id, open};
use crate::support::chain::chain;
use crate::support::events::append_event;
use crate::support::stores::stores;

/// Appends an event as another program would.
fn append(store: &dyn EventStore, name: &str, event_version: u32, payload: &str) {
    append_event(store, Account::CATEGORY, "alice", name, event_version, payload);
}

/// The errors of loading, executing and the history at the event of version 2, position 3. Nothing is
/// written.
fn errors_after(name: &str, event_version: u32, payload: &str) -> Vec<(ReadError, String)> {
    let mut errors = Vec::new();
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute(open("bob")).unwrap();
        append(&store, name, event_version, payload);
        match accounts.load(&id("alice")).unwrap_err() {
            LoadError::Read(error) => errors.push((error, "load".to_owned())),
            other => panic!("{other}"),
        }
        match accounts.execute(deposit("alice", 1)).unwrap_err() {
            ExecuteError::Read(error) => errors.push((error, "execute".to_owned())),
            other => panic!("{other}"),
        }
        // The history returns the readable events, then the error, then nothing.
        let mut history = accounts.history(&id("alice")).unwrap();
        assert_eq!(history.next().unwrap().unwrap().version, 1);
        errors.push((history.next().unwrap().unwrap_err(), "history".to_owned()));
        assert!(history.next().is_none());

        assert_eq!(store.position().unwrap(), Position::new(3));
        assert_eq!(
            accounts.load_at(&id("alice"), 1).unwrap().version(),
            1,
            "what was before can still be read"
        );
        accounts.execute(deposit("bob", 1)).unwrap();
    }
    assert_eq!(errors.len(), 9);
    errors
}

#[test]
fn an_event_of_an_unknown_name_is_an_error() {
    for (error, by) in errors_after("account-frozen", 1, "{}") {
        let ReadError::Decode { stream, version, position, name, event_version, source, .. } = error else {
            panic!("{by}: {error}")
        };
        assert_eq!((stream.to_string().as_str(), version, position.get()), ("account/alice", 2, 3));
        assert_eq!((name.as_str(), event_version), ("account-frozen", 1));
        assert!(matches!(*source, DecodeError::UnknownName { .. }), "{source}");
    }
}

#[test]
fn an_event_of_a_version_newer_than_this_program_is_an_error() {
    for (error, by) in errors_after("deposited", 4, r#"{"cents": 1}"#) {
        let ReadError::Decode { source, .. } = error else { panic!("{by}: {error}") };
        assert!(matches!(*source, DecodeError::NewerVersion { version: 4, known: 1, .. }), "{source}");
    }
}

#[test]
fn an_event_whose_payload_does_not_fit_is_an_error() {
    for payload in ["", "{", "[]", "{}", r#"{"cents": "a lot"}"#, r#"{"cents": 1} and more"#, "\u{0}"] {
        for (error, by) in errors_after("deposited", 1, payload) {
            let message = chain(&error);
            let ReadError::Decode { source, .. } = error else { panic!("{by}: {error}") };
            assert!(matches!(*source, DecodeError::Payload { .. }), "{source}");
            let begin =
                "can't read account/alice at version 2 (position 3): the payload of `deposited` version 1";
            assert!(message.starts_with(begin), "{message}");
        }
    }
}

#[test]
fn an_event_under_its_old_name_is_read() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        append(&store, "paid-in", 1, r#"{"cents": 12}"#);
        assert_eq!(accounts.load(&id("alice")).unwrap().state().cents, 12);
    }
}

#[test]
fn a_stream_that_lacks_an_event_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bank.db");
    let store = SqliteStore::open(&file).unwrap();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute(deposit("alice", 1)).unwrap();
    accounts.execute(deposit("alice", 2)).unwrap();
    let connection = Connection::open(&file).unwrap();
    connection.execute("DELETE FROM factum_events WHERE version = 2", ()).unwrap();
    // A repository that has the state cached does not read the events again.
    assert_eq!(accounts.load(&id("alice")).unwrap().state().cents, 3);
    let accounts = store.repository::<Account>();

    let errors = [
        match accounts.load(&id("alice")).unwrap_err() {
            LoadError::Read(error) => error,
            other => panic!("{other}"),
        },
        match accounts.execute(deposit("alice", 1)).unwrap_err() {
            ExecuteError::Read(error) => error,
            other => panic!("{other}"),
        },
        accounts.history(&id("alice")).unwrap().find_map(Result::err).unwrap(),
    ];
    for error in errors {
        assert_eq!(error.to_string(), "account/alice lacks version 2: version 3 (position 3) comes next");
        assert!(
            matches!(error, ReadError::Gap { missing: 2, found: 3, position, .. } if position.get() == 3)
        );
    }
    assert_eq!(store.position().unwrap(), Position::new(3), "nothing was written");
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
struct Measured {
    value: f64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
struct Forgetful {
    #[serde(skip_serializing_if = "always")]
    value: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it so")]
const fn always(_: &u8) -> bool {
    true
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Keyed(std::collections::BTreeMap<(u8, u8), u8>);

#[derive(Debug, Command)]
struct Measure {
    #[command(id)]
    id: u8,
    value: f64,
}

#[derive(Debug, Command)]
struct Forget(u8);

#[derive(Debug, Command)]
struct Key(u8);

#[derive(Debug, Default, Clone, PartialEq, Aggregate)]
#[aggregate(id = u8, commands(Measure, Forget, Key), events(Measured, Forgetful, Keyed))]
struct Meter {
    values: Vec<f64>,
}

#[handlers]
impl Meter {
    #[execute]
    fn measure(&self, command: Measure) -> Measured {
        Measured { value: command.value }
    }

    #[execute]
    fn forget(&self, _: Forget) -> Forgetful {
        Forgetful { value: 1 }
    }

    #[execute]
    fn key(&self, _: Key) -> Keyed {
        Keyed([((0, 0), 0)].into())
    }

    #[apply]
    fn measured(&mut self, event: &Measured) {
        self.values.push(event.value);
    }

    #[apply]
    fn forgotten(&mut self, _: &Forgetful) {}

    #[apply]
    fn keyed(&mut self, _: &Keyed) {}
}

#[test]
fn an_event_that_could_not_be_read_again_is_not_stored() {
    for store in stores() {
        let meters = store.repository::<Meter>();
        for value in [f64::NAN, f64::INFINITY] {
            let error = meters.execute(Measure { id: 1, value }).unwrap_err();
            let ExecuteError::Encode { source: EncodeError::Unreadable { name, .. }, .. } = &error else {
                panic!("{error}")
            };
            assert_eq!(*name, "measured");
        }
        let error = meters.execute(Forget(1)).unwrap_err();
        assert!(
            chain(&error).starts_with("can't append to meter/1: the event `forgetful` could not be read")
        );
        let error = meters.execute(Key(1)).unwrap_err();
        assert!(matches!(error, ExecuteError::Encode { source: EncodeError::Json { .. }, .. }), "{error}");
        assert_eq!(store.position().unwrap(), Position::new(0));
        assert_eq!(meters.execute(Measure { id: 1, value: 0.1 }).unwrap().version(), 1);
    }
}

#[test]
fn a_float_comes_back_as_the_float_it_was() {
    for store in stores() {
        let meters = store.repository::<Meter>();
        // Bits that look random, equal in each run.
        let values = (1..2000_u64).map(|n| f64::from_bits(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let commands = values.filter(|value| value.is_finite()).map(|value| Measure { id: 1, value });
        let live = meters.execute_batch(&1, commands).unwrap();
        assert!(live.state().values.len() > 1900);
        assert_eq!(meters.load(&1).unwrap().state(), live.state());
    }
}

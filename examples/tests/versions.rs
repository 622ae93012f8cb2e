//! Runs three generations of a program on one file, as a user does.

#[path = "../versions/generation1.rs"]
#[allow(dead_code, reason = "the program uses more than these tests")]
mod generation1;
#[path = "../versions/generation2.rs"]
#[allow(dead_code, reason = "the program uses more than these tests")]
mod generation2;
/// The present domain, with its own tests.
#[path = "../versions/generation3.rs"]
#[allow(dead_code, reason = "the program uses more than these tests")]
mod generation3;
mod program;

use std::path::PathBuf;

use factum::prelude::*;
use factum::sqlite::rusqlite::types::Value;
use factum::sqlite::rusqlite::{Connection, OpenFlags};
use factum::{DecodeError, LoadError, ReadError};

use program::Run;

/// A file of parcels.
struct Parcels {
    directory: tempfile::TempDir,
}

impl Parcels {
    /// A file that the generations up to `last` have written, one after the other.
    fn written_by(last: u8) -> Self {
        let parcels = Self { directory: tempfile::tempdir().expect("a folder") };
        for generation in 1..=last {
            assert_eq!(parcels.ok("write", generation), "");
        }
        parcels
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("parcels.db")
    }

    fn run(&self, verb: &str, generation: u8) -> Run {
        let file = self.file();
        program::run("versions", &[verb, &generation.to_string(), file.to_str().expect("a path in Unicode")])
    }

    /// Runs a command that must succeed, and returns what it prints.
    fn ok(&self, verb: &str, generation: u8) -> String {
        let run = self.run(verb, generation);
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{verb} {generation}");
        run.out
    }

    /// Runs a command that must fail, and returns its error.
    fn fails(&self, verb: &str, generation: u8) -> String {
        let run = self.run(verb, generation);
        assert_eq!((run.code, run.out.as_str()), (Some(1), ""), "{verb} {generation}");
        run.err
    }

    /// The table of events, every column of every row, read without factum.
    fn rows(&self) -> Vec<Vec<Value>> {
        self.query("SELECT * FROM factum_events ORDER BY position")
    }

    fn query(&self, sql: &str) -> Vec<Vec<Value>> {
        let database = Connection::open_with_flags(self.file(), OpenFlags::SQLITE_OPEN_READ_ONLY);
        let database = database.expect("a database");
        let mut query = database.prepare(sql).expect("a query");
        let columns = query.column_count();
        let rows = query.query_map([], |row| (0..columns).map(|column| row.get(column)).collect());
        rows.expect("rows").collect::<Result<_, _>>().expect("values")
    }

    fn store(&self) -> SqliteStore {
        SqliteStore::open(self.file()).expect("a store")
    }

    /// The state of a parcel, as one generation reads it.
    fn load<A>(&self, parcel: &str) -> Result<A, LoadError>
    where
        A: Aggregate<Id = String, Services = ()>,
    {
        Ok(self.store().repository::<A>().load(&parcel.to_owned())?.into_state())
    }
}

/// All events that the first generation stores: name, event version, payload.
///
/// Written by hand, and never changed: if one of them can't be read, users' files can't be read.
const FIRST: &[(&str, i64, &str)] = &[
    (
        "parcel-accepted",
        1,
        r#"{"recipient":"Ada, 12 Main Street","weight":1200,"postage":"4.90","counter":3}"#,
    ),
    ("label-printed", 1, r#"{"printer":"left"}"#),
    ("parcel-scanned", 1, r#"{"place":"depot north"}"#),
    ("parcel-handed-over", 1, r#"{"to":"Ada"}"#),
    ("parcel-accepted", 1, r#"{"recipient":"Bob, 7 Mill Lane","weight":300,"postage":"2.50","counter":1}"#),
    ("parcel-sent-back", 1, r#"{"reason":"no such house","refund":"2.50"}"#),
    ("parcel-accepted", 1, r#"{"recipient":"Cyd","weight":80,"postage":"1.10","counter":3}"#),
    ("parcel-scanned", 1, r#"{"place":"back room"}"#),
];

#[test]
fn the_third_generation_reads_the_first_ones_bytes() {
    use generation3::{Cents, Parcel, Place, Progress};

    let parcels = Parcels::written_by(1);
    let text = |text: &str| Value::Text(text.to_owned());
    let first: Vec<_> = FIRST
        .iter()
        .map(|&(name, schema, payload)| vec![text(name), Value::Integer(schema), text(payload)])
        .collect();
    assert_eq!(parcels.query("SELECT name, schema, payload FROM factum_events ORDER BY position"), first);

    let ada = Parcel {
        progress: Progress::Delivered,
        name: "Ada".into(),
        address: Some("12 Main Street".into()),
        grams: 1200,
        postage: Cents(490),
        insured: Cents(0),
        at: Some(Place::Depot("north".into())),
        refunded: Cents(0),
    };
    assert_eq!(parcels.load::<Parcel>("ada").expect("a parcel"), ada);
    let bob = Parcel {
        progress: Progress::Returned,
        name: "Bob".into(),
        address: Some("7 Mill Lane".into()),
        grams: 300,
        postage: Cents(250),
        insured: Cents(0),
        at: None,
        refunded: Cents(250),
    };
    assert_eq!(parcels.load::<Parcel>("bob").expect("a parcel"), bob);
    let cyd = Parcel {
        progress: Progress::UnderWay,
        name: "Cyd".into(),
        address: None,
        grams: 80,
        postage: Cents(110),
        insured: Cents(0),
        at: Some(Place::Elsewhere("back room".into())),
        refunded: Cents(0),
    };
    assert_eq!(parcels.load::<Parcel>("cyd").expect("a parcel"), cyd);
}

#[test]
fn what_it_has_become_stands_where_it_stood() {
    let parcels = Parcels::written_by(3);
    let store = parcels.store();
    let repository = store.repository::<generation3::Parcel>();
    let places = |parcel: &str| -> Vec<(u64, u32, u64)> {
        let history = repository.history(&parcel.to_owned()).expect("a history");
        history
            .map(|event| event.expect("an event"))
            .map(|event| (event.version, event.index, event.position.get()))
            .collect()
    };
    // The label was version 2; no other event takes that version.
    assert_eq!(places("ada"), [(1, 0, 1), (3, 0, 3), (4, 0, 4)]);
    // The event `parcel-sent-back` is read as a return and a refund, which share its version.
    assert_eq!(places("bob"), [(1, 0, 5), (2, 0, 6), (2, 1, 6)]);
}

#[test]
fn nothing_is_ever_rewritten() {
    let parcels = Parcels::written_by(1);
    let first = parcels.rows();
    assert_eq!(first.len(), FIRST.len());
    for generation in 1..=3 {
        parcels.ok("read", generation);
        assert_eq!(parcels.rows(), first, "read by generation {generation}");
    }

    parcels.ok("write", 2);
    let second = parcels.rows();
    assert_eq!(second[..first.len()], first);
    parcels.ok("write", 3);
    let third = parcels.rows();
    assert_eq!(third[..second.len()], second);

    parcels.ok("read", 3);
    assert_eq!(parcels.rows(), third);
}

#[test]
fn the_second_and_the_third_agree_on_what_both_can_read() {
    let parcels = Parcels::written_by(2);
    for parcel in ["ada", "bob", "cyd", "dan", "eve"] {
        let second: generation2::Parcel = parcels.load(parcel).expect("read by the second");
        let third: generation3::Parcel = parcels.load(parcel).expect("read by the third");

        let recipient = match &third.address {
            Some(address) => format!("{}, {address}", third.name),
            None => third.name.clone(),
        };
        assert_eq!(recipient, second.recipient, "{parcel}");
        assert_eq!(third.grams, second.grams, "{parcel}");
        assert_eq!(third.postage.0, second.postage.0, "{parcel}");
        assert_eq!(third.insured.0, second.insured.0, "{parcel}");
        assert_eq!(third.refunded.0, second.refunded.0, "{parcel}");
        // Each generation has a type of its own for places.
        assert_eq!(format!("{:?}", third.at), format!("{:?}", second.place), "{parcel}");
        let progress = match second.progress {
            generation2::Progress::Unheard => generation3::Progress::Unheard,
            generation2::Progress::UnderWay => generation3::Progress::UnderWay,
            generation2::Progress::Delivered => generation3::Progress::Delivered,
            generation2::Progress::SentBack => generation3::Progress::Returned,
        };
        assert_eq!(third.progress, progress, "{parcel}");
    }
}

#[test]
fn a_generation_goes_on_with_what_an_older_one_began() {
    let parcels = Parcels::written_by(3);
    let read = parcels.ok("read", 3);
    let dan = read.split("\n\n").find(|parcel| parcel.starts_with("dan")).expect("a parcel");
    let lines: Vec<&str> = dan.lines().collect();
    assert_eq!(
        lines[..6],
        [
            "dan as it is stored       as it is read",
            " 1  parcel-accepted 2     parcel-accepted 3 {\"name\":\"Dan\",\"address\":\"1 High Street\",\"grams\":2000,\
             \"postage\":690,\"insured\":50000}",
            " 2  label-printed 1       nothing",
            " 3  parcel-scanned 2      parcel-scanned 3 {\"at\":{\"van\":7}}",
            " 4  parcel-scanned 3      parcel-scanned 3 {\"at\":{\"depot\":\"south\"}}",
            " 5  parcel-delivered 1    parcel-delivered 1 {\"to\":\"Dan\"}",
        ]
    );
    assert!(lines[6].starts_with("Parcel { progress: Delivered, name: \"Dan\""), "{}", lines[6]);
}

#[test]
fn an_older_program_refuses_what_is_newer() {
    let parcels = Parcels::written_by(3);
    assert_eq!(
        parcels.fails("read", 1),
        "can't read parcel/cyd at version 3 (position 9): no event of the aggregate is stored under the name \
         `parcel-delivered` (version 1)\n"
    );
    assert_eq!(
        parcels.fails("read", 2),
        "can't read parcel/dan at version 4 (position 15): version 3 of `parcel-scanned` is newer than version 2, the \
         newest this program knows\n"
    );
    // A generation loads the parcels whose events it can all read.
    assert_eq!(parcels.load::<generation1::Parcel>("ada").expect("a parcel").labels, 1);
    assert!(parcels.load::<generation2::Parcel>("eve").is_ok());

    // A generation does not decide on a state from some of the events.
    let scan = generation1::ScanParcel { parcel: "dan".into(), place: "depot north".into() };
    let error = parcels.store().repository::<generation1::Parcel>().execute(scan).expect_err("an error");
    assert_eq!(
        factum::with_causes(&error),
        "can't read parcel/dan at version 1 (position 10): version 2 of `parcel-accepted` is newer than version 1, the \
         newest this program knows"
    );
}

#[test]
fn the_refusal_is_typed_and_says_which_event_it_is() {
    let parcels = Parcels::written_by(3);
    for (error, expected) in [
        (
            parcels.load::<generation1::Parcel>("cyd").expect_err("the first"),
            ("cyd", 3, 9, "parcel-delivered", 1),
        ),
        (
            parcels.load::<generation1::Parcel>("dan").expect_err("the first"),
            ("dan", 1, 10, "parcel-accepted", 2),
        ),
        (
            parcels.load::<generation2::Parcel>("dan").expect_err("the second"),
            ("dan", 4, 15, "parcel-scanned", 3),
        ),
        (
            parcels.load::<generation2::Parcel>("fay").expect_err("the second"),
            ("fay", 1, 17, "parcel-accepted", 3),
        ),
    ] {
        let LoadError::Read(ReadError::Decode {
            stream, version, position, name, event_version, source, ..
        }) = error
        else {
            panic!("{expected:?}: {error}")
        };
        assert_eq!((stream.key(), version, position.get(), name.as_str(), event_version), expected);
        match *source {
            DecodeError::UnknownName { name, .. } => assert_eq!(name, expected.3),
            DecodeError::NewerVersion { name, version, known, .. } => {
                assert_eq!((name, version), (expected.3, expected.4));
                assert!(known < version, "{known}");
            }
            other => panic!("{expected:?}: {other}"),
        }
    }
}

#[test]
fn text_that_is_not_an_amount_is_reported() {
    for postage in ["cheap", "4.9", "4,90", "+4.90", "4.+9", "184467440737095517.00", ""] {
        let payload = format!(r#"{{"recipient":"Ada","weight":1,"postage":"{postage}","counter":3}}"#);
        let expected = |present: u32| {
            format!(
                "`parcel-accepted` version 1 can't be read as version {present} (field `postage`): `{postage}` is not an \
                 amount like 4.90"
            )
        };
        let second = generation2::ParcelAccepted::decode(1, &payload).expect_err("the second");
        assert_eq!(factum::with_causes(&second), expected(2));
        // Through the previous struct.
        let third = generation3::ParcelAccepted::decode(1, &payload).expect_err("the third");
        assert_eq!(factum::with_causes(&third), expected(3));
    }
}

#[test]
fn the_story_plays_and_leaves_nothing_behind() {
    let run = program::run("versions", &[]);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    for line in [
        " 4  parcel-handed-over 1  parcel-handed-over 1 {\"to\":\"Ada\"}\n",
        " 4  parcel-handed-over 1  parcel-delivered 1 {\"to\":\"Ada\"}\n",
        " 2  parcel-sent-back 1    parcel-returned 1 {\"reason\":\"no such house\"}\n                          \
         postage-refunded 1 {\"amount\":250}\n",
        " 2  label-printed 1       nothing\n",
    ] {
        assert!(run.out.contains(line), "{line}{}", run.out);
    }
    let last = run.out.lines().last().expect("a line");
    assert!(last.starts_with("can't read parcel/dan at version 4"), "{last}");
}

#[test]
fn a_step_out_of_order_is_refused() {
    let parcels = Parcels::written_by(0);
    assert_eq!(parcels.fails("write", 2), "the parcel is not under way\n");
    parcels.ok("write", 1);
    let first = parcels.rows();
    assert_eq!(parcels.fails("write", 1), "the parcel is here already\n");
    assert_eq!(parcels.fails("write", 3), "the parcel is not under way\n");
    assert_eq!(parcels.rows(), first);
}

#[test]
fn nonsense_is_answered_with_how_to_use_it() {
    for words in
        [&["fly"][..], &["read"], &["read", "4", "file.db"], &["write", "1"], &["read", "1", "a", "b"]]
    {
        let run = program::run("versions", words);
        assert_eq!((run.code, run.out.as_str()), (Some(2), ""), "{words:?}");
        assert!(run.err.contains("versions read N FILE"), "{}", run.err);
    }
}

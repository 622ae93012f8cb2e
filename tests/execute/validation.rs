//! `#[validate]`: a command is checked before anything is read, however it is sent.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use factum::application::ByNameError;
use factum::follow::{CommandRoutes, Undelivered};
use factum::prelude::*;
use factum::testing::given;
use factum::{BatchError, InvalidCommand};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, AggregateId)]
struct Room(String);

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
struct Booked {
    guest: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Command)]
#[validate(Book::ends_after_it_begins)]
#[validate(checks::at_most::<30>)]
struct Book {
    #[command(id)]
    room: Room,
    #[validate(checks::not_empty)]
    #[validate(checks::lower_case)]
    guest: String,
    from: u32,
    #[validate(checks::even)]
    r#to: u32,
}

#[derive(Debug, Serialize, Deserialize, Command)]
struct Free(#[validate(checks::named)] Room);

impl Book {
    fn ends_after_it_begins(&self) -> Result<(), String> {
        if self.from < self.to { Ok(()) } else { Err(format!("it ends on day {}", self.to)) }
    }
}

mod checks {
    use super::{Book, Room};

    #[derive(Debug, thiserror::Error)]
    #[error("{0} is odd")]
    pub(super) struct Odd(u32);

    pub(super) fn not_empty(text: &str) -> Result<(), &'static str> {
        if text.is_empty() { Err("must not be empty") } else { Ok(()) }
    }

    #[expect(clippy::ptr_arg, reason = "the type of a field itself does too")]
    pub(super) fn lower_case(text: &String) -> Result<(), factum::BoxError> {
        if text.is_empty() || text.contains(char::is_uppercase) {
            Err("must be lower case".into())
        } else {
            Ok(())
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "a check gets a reference")]
    pub(super) fn even(number: &u32) -> Result<(), Odd> {
        if number.is_multiple_of(2) { Ok(()) } else { Err(Odd(*number)) }
    }

    pub(super) fn at_most<const DAYS: u32>(book: &Book) -> Result<(), String> {
        if book.to.saturating_sub(book.from) <= DAYS { Ok(()) } else { Err(format!("more than {DAYS} days")) }
    }

    pub(super) fn named(room: &Room) -> Result<(), &'static str> {
        assert!(room.0 != "panic", "the check panics");
        if room.0.is_empty() { Err("which room?") } else { Ok(()) }
    }
}

/// Counts how often a handler has run.
#[derive(Debug, Default, Clone)]
struct Decisions(Arc<AtomicU32>);

#[derive(Debug, Default, Clone, PartialEq, Aggregate)]
#[aggregate(id = Room, services = Decisions, commands(Book, Free), events(Booked))]
struct Rooms {
    booked: u32,
}

#[handlers]
impl Rooms {
    #[execute]
    fn book(&self, command: Book, decisions: &Decisions) -> Booked {
        decisions.0.fetch_add(1, Ordering::Relaxed);
        Booked { guest: command.guest }
    }

    #[execute]
    fn free(&self, _: Free, decisions: &Decisions) {
        decisions.0.fetch_add(1, Ordering::Relaxed);
    }

    #[apply]
    fn booked(&mut self, _: &Booked) {
        self.booked += 1;
    }
}

#[derive(Application)]
#[application(aggregates(Rooms), json)]
struct Hotel {
    #[services(Rooms)]
    decisions: Decisions,
}

fn book(guest: &str, from: u32, to: u32) -> Book {
    Book { room: Room("1".into()), guest: guest.into(), from, to }
}

/// The fields of the failures.
fn fields(invalid: &InvalidCommand) -> Vec<&'static str> {
    invalid.failures.iter().map(|failure| failure.field.unwrap_or("-")).collect()
}

#[test]
fn all_checks_run_and_all_failures_are_told() {
    let rooms = MemoryStore::new().repository::<Rooms>();
    let error = rooms.execute(book("", 50, 7)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the command `book` is invalid: `guest`: must not be empty; `guest`: must be lower case; `to`: 7 is odd; \
         it ends on day 7"
    );
    let ExecuteError::Invalid(invalid) = error else { panic!("{error}") };
    assert_eq!(invalid.command, "book");
    assert_eq!(fields(&invalid), ["guest", "guest", "to", "-"]);
    assert_eq!(invalid.failures[2].cause.downcast_ref::<checks::Odd>().unwrap().to_string(), "7 is odd");
    assert_eq!(fields(&book("alice", 2, 40).validate().unwrap_err()), ["-"]);
    assert_eq!(fields(&Free(Room(String::new())).validate().unwrap_err()), ["0"]);
    // The generated enum asks the struct.
    assert_eq!(fields(&RoomsCommand::from(book("Alice", 2, 4)).validate().unwrap_err()), ["guest"]);
    assert!(RoomsCommand::from(book("alice", 2, 4)).validate().is_ok());
    assert_eq!(rooms.execute(book("alice", 2, 4)).unwrap().state().booked, 1);
}

#[test]
fn nothing_is_read_or_decided() {
    fn check(store: &(impl EventStore + Clone + 'static), valid_fails: bool) {
        let decisions = Decisions::default();
        let rooms = store.repository_with::<Rooms>(decisions.clone());
        let invalid = || book("", 2, 4);
        let is_invalid = |error: &ExecuteError<_>| matches!(error, ExecuteError::Invalid(_));
        assert!(is_invalid(&rooms.execute(invalid()).unwrap_err()));
        let options = ExecuteOptions::new().retry(3).idempotency_key("once");
        assert!(is_invalid(&rooms.execute_with(invalid(), &options).unwrap_err()));
        assert!(is_invalid(&store.unit_of_work().execute(&rooms, invalid()).unwrap_err()));
        let all = store.atomically(0, |unit| {
            unit.execute(&rooms, invalid())
                .map(drop)
                .map_err(|error| -> BoxError { error.to_string().into() })
        });
        assert!(all.unwrap_err().to_string().contains("is invalid"));
        let BatchError { index, source, .. } =
            rooms.execute_batch(&Room("1".into()), [invalid()]).unwrap_err();
        assert!(index == Some(0) && is_invalid(&source));
        assert_eq!(decisions.0.load(Ordering::Relaxed), 0);
        assert_eq!(rooms.execute(book("alice", 2, 4)).is_err(), valid_fails);
    }
    check(&MemoryStore::new(), false);
    let folder = tempfile::tempdir().unwrap();
    let (file, elsewhere) = (folder.path().join("hotel.db"), folder.path().join("elsewhere.db"));
    let store = SqliteStore::open(&file).unwrap();
    check(&store, false);
    // This store fails whatever it is asked.
    std::fs::rename(&file, &elsewhere).unwrap();
    check(&store, true);
}

#[test]
fn an_invalid_command_of_a_batch_or_a_unit_stores_nothing() {
    let store = MemoryStore::new();
    let rooms = store.repository::<Rooms>();
    let room = Room("1".into());
    let error = rooms.execute_batch(&room, [book("alice", 2, 4), book("bob", 2, 5)]).unwrap_err();
    assert_eq!(error.index, Some(1));
    assert!(!rooms.exists(&room).unwrap());

    let mut unit = store.unit_of_work();
    unit.execute(&rooms, book("alice", 2, 4)).unwrap();
    unit.execute(&rooms, book("", 2, 4)).unwrap_err();
    // The commands before it stay part of the unit.
    unit.commit().unwrap();
    assert_eq!(rooms.load(&room).unwrap().version(), 1);
}

#[test]
fn a_check_that_panics_is_the_callers_panic() {
    let rooms = MemoryStore::new().repository::<Rooms>();
    let free = || rooms.execute(Free(Room("panic".into())));
    assert!(catch_unwind(AssertUnwindSafe(free)).is_err());
    rooms.execute(book("alice", 2, 4)).unwrap();
}

#[test]
fn an_application_checks_what_comes_by_type_and_by_name() {
    let hotel = Hotel { decisions: Decisions::default() }.start(&MemoryStore::new()).unwrap();
    assert!(matches!(hotel.execute(book("", 2, 4)), Err(ExecuteError::Invalid(_))));
    let retried = ExecuteOptions::new().retry(1);
    assert!(matches!(hotel.execute_with(book("", 2, 4), &retried), Err(ExecuteError::Invalid(_))));
    let json = r#"{"room": "1", "guest": "Bob", "from": 2, "to": 4}"#;
    match hotel.execute_json("book", json) {
        Err(ByNameError::Invalid(invalid)) => assert_eq!(fields(&invalid), ["guest"]),
        other => panic!("{other:?}"),
    }
    hotel.execute_json("book", &json.replace("Bob", "bob")).unwrap();
}

/// Books a room again, for a guest without a name.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(id = Room, starts(Booked by stream), from(Rooms), commands(Book))]
struct Again;

#[handlers]
impl Again {
    #[react]
    fn booked(&self, event: &Booked, id: &Room) -> Book {
        Book { room: id.clone(), ..book(event.guest.trim_start_matches("alice"), 2, 4) }
    }
}

#[test]
fn an_invalid_command_of_a_process_holds_its_instance() {
    let store = SqliteStore::in_memory().unwrap();
    let rooms = store.repository::<Rooms>();
    rooms.execute(book("alice", 2, 4)).unwrap();
    let commands = CommandRoutes::new().to(rooms.clone()).shared();
    let mut again = SqliteProcess::new(&store, Again, commands).unwrap();
    again.catch_up().unwrap();

    let letters = again.instances().dead_letters().unwrap();
    let [letter] = &*letters else { panic!("{letters:?}") };
    let text = "the command can't be executed: the command `book` is invalid: `guest`: must not be empty; \
                `guest`: must be lower case";
    assert!(matches!(letter.what, Undelivered::Command { .. }), "{letter:?}");
    assert_eq!((&*letter.instance, &*letter.name, &*letter.error), ("1", "book", text));
    assert_eq!(rooms.load(&Room("1".into())).unwrap().version(), 1);
}

#[test]
fn tests_without_a_store_check_too() {
    let invalid = || given::<Rooms>(()).when(book("", 4, 2));
    invalid().then_invalid("guest").then_invalid(None).then_state(&Rooms::default());

    let message = |test: &dyn Fn()| {
        let panic = catch_unwind(AssertUnwindSafe(test)).expect_err("the test should fail");
        panic.downcast_ref::<String>().expect("a message").clone()
    };
    assert_eq!(
        message(&|| drop(invalid().then_invalid("to"))),
        "the command `book` is invalid: `guest`: must not be empty; `guest`: must be lower case; it ends on day 2 \
         (nothing had happened before)\nexpected a failed check of `to`"
    );
    assert_eq!(
        message(&|| drop(given::<Rooms>(()).when(book("", 2, 4)).then(Booked { guest: String::new() }))),
        "the command `book` is invalid: `guest`: must not be empty; `guest`: must be lower case (nothing had \
         happened before)\nexpected the events\nbooked v1 {\n  \"guest\": \"\"\n}\n"
    );
    assert_eq!(
        message(&|| drop(given::<Rooms>(()).when(book("bob", 2, 4)).then_invalid(None))),
        "the command is valid (nothing had happened before): expected a failed check of the whole command, found \
         the events\nbooked v1 {\n  \"guest\": \"bob\"\n}\n"
    );
}

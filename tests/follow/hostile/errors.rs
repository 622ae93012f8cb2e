//! Panics and errors of handlers that go on to misbehave: when they are dropped, shown or asked for their cause.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use factum::Position;
use factum::follow::{FollowError, ProjectionError};
use factum::prelude::*;
use factum::store::AppendError;
use serde::{Deserialize, Serialize};

use crate::support::account::{Account, Opened, open};
use crate::support::stores::{LONG, sqlite_stores, stores};

/// A payload whose destructor panics.
struct Payload;

impl Drop for Payload {
    fn drop(&mut self) {
        // A second panic during the first one would end the program, whatever factum does.
        if !std::thread::panicking() {
            panic_any("a payload that panics");
        }
    }
}

/// An error that does what it should not.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Hostile {
    Circle,
    Endless,
    SourcePanics,
    DisplayPanics,
    DropPanics,
    /// Not an error, but a panic.
    Payload,
}

const KINDS: [Hostile; 6] = [
    Hostile::Circle,
    Hostile::Endless,
    Hostile::SourcePanics,
    Hostile::DisplayPanics,
    Hostile::DropPanics,
    Hostile::Payload,
];

impl Hostile {
    fn fail(self) -> Result<(), BoxError> {
        match self {
            Self::Payload => panic_any(Payload),
            kind => Err(Box::new(HostileError(kind))),
        }
    }
}

#[derive(Debug)]
struct HostileError(Hostile);

impl fmt::Display for HostileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        assert!(self.0 != Hostile::DisplayPanics, "no text");
        write!(f, "{:?}", self.0)
    }
}

impl Error for HostileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self.0 {
            Hostile::Circle => Some(self),
            Hostile::Endless => Some(Box::leak(Box::new(Self(self.0)))),
            Hostile::SourcePanics => panic!("no cause"),
            _ => None,
        }
    }
}

impl Drop for HostileError {
    fn drop(&mut self) {
        assert!(self.0 != Hostile::DropPanics || std::thread::panicking(), "not dropped");
    }
}

/// How many calls of the handler fail.
type Failures = Arc<AtomicU32>;

fn fail(kind: Hostile, failures: &Failures) -> Result<(), BoxError> {
    let take = |left: u32| left.checked_sub(1);
    let fails = failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok();
    if fails { kind.fail() } else { Ok(()) }
}

#[derive(Projection)]
#[projection(name = "hostile", from(Account), events(Opened), into = Sqlite)]
struct HostileView(Hostile, Failures);

#[handlers]
impl HostileView {
    #[project]
    fn opened(&self, _: &Opened) -> Result<(), BoxError> {
        fail(self.0, &self.1)
    }
}

#[derive(Reaction)]
#[reaction(name = "hostile", from(Account), events(Opened))]
struct HostileReaction(Hostile, Failures);

#[handlers]
impl HostileReaction {
    #[react]
    fn opened(&self, _: &Opened) -> Result<(), BoxError> {
        fail(self.0, &self.1)
    }
}

/// Whether dropping the error panics is a matter of its owner: the caller.
fn forget_if_it_panics(work: impl FnOnce()) {
    drop(catch_unwind(AssertUnwindSafe(work)));
}

#[test]
fn a_catch_up_returns_any_error() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        for store in sqlite_stores(&folder) {
            store.repository::<Account>().execute(open("alice")).unwrap();
            let failures = Failures::new(1.into());
            let mut view = SqliteProjection::new(&store, HostileView(kind, failures)).unwrap();
            let error = view.catch_up().unwrap_err();
            let ProjectionError::Follow(FollowError::Handler { position, .. }) = &error else {
                panic!("another error");
            };
            assert_eq!(*position, Position::new(1));
            assert!(factum::with_causes(&error).starts_with("`hostile` failed at position 1"));
            forget_if_it_panics(|| drop(error));
            assert_eq!(view.catch_up().unwrap().events, 1, "{kind:?}");
        }
    }
}

/// The other callers of a group commit get their own answers.
#[test]
fn an_inline_view_with_any_error_harms_no_other_append() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        for store in sqlite_stores(&folder) {
            let failures = Failures::default();
            SqliteProjection::new(&store, HostileView(kind, failures.clone())).unwrap().inline().unwrap();
            let accounts = store.repository::<Account>();
            failures.store(1, Ordering::SeqCst);
            let error = accounts.execute(open("alice")).unwrap_err();
            assert!(matches!(&error, ExecuteError::Append(AppendError::Hook { .. })), "another error");
            forget_if_it_panics(|| drop(error));
            failures.store(20, Ordering::SeqCst);
            let (stored, failed) = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..40)
                    .map(|number| {
                        let accounts = &accounts;
                        scope.spawn(move || match accounts.execute(open(&number.to_string())) {
                            Ok(_) => true,
                            Err(error) => {
                                assert!(
                                    matches!(&error, ExecuteError::Append(AppendError::Hook { .. })),
                                    "another error"
                                );
                                forget_if_it_panics(|| drop(error));
                                false
                            }
                        })
                    })
                    .collect();
                let answers: Vec<bool> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
                (
                    answers.iter().filter(|stored| **stored).count(),
                    answers.iter().filter(|stored| !**stored).count(),
                )
            });
            assert_eq!(stored as u64, store.position().unwrap().get(), "{kind:?}");
            assert_eq!(stored + failed, 40);
        }
    }
}

#[test]
fn a_runner_survives_any_error() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        for store in sqlite_stores(&folder) {
            store.repository::<Account>().execute(open("alice")).unwrap();
            // The retry fails too.
            let failures = Failures::new(2.into());
            let view = SqliteProjection::new(&store, HostileView(kind, failures)).unwrap();
            let follow = view.follow().retry(1, Duration::from_millis(1)).on_failure(OnFailure::DeadLetter);
            let running = follow.start().unwrap();
            running.wait_for(Position::new(1), LONG).unwrap();
            let mut view = running.stop().unwrap();
            let letters = view.dead_letters().unwrap();
            assert_eq!(letters.len(), 1, "{kind:?}");
            assert!(letters[0].error.starts_with("`hostile` failed at position 1"), "{kind:?}");
            assert!(letters[0].error.len() < 10_000);
            assert_eq!(view.retry_dead_letters().unwrap().succeeded, 1);
        }
    }
}

#[test]
fn a_reaction_survives_any_error() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        for store in sqlite_stores(&folder) {
            store.repository::<Account>().execute(open("alice")).unwrap();
            let failures = Failures::new(2.into());
            let reaction = SqliteReaction::new(&store, HostileReaction(kind, failures)).unwrap();
            let follow =
                reaction.follow().retry(1, Duration::from_millis(1)).on_failure(OnFailure::DeadLetter);
            let running = follow.start().unwrap();
            running.wait_for(Position::new(1), LONG).unwrap();
            let mut reaction = running.stop().unwrap();
            assert_eq!(reaction.dead_letters().unwrap().len(), 1, "{kind:?}");
            assert_eq!(reaction.retry_dead_letters().unwrap().succeeded, 1);
        }
    }
}

/// A payload of the progress callback reaches no caller of `stop`.
#[test]
fn a_progress_callback_may_panic_with_anything() {
    let store = SqliteStore::in_memory().unwrap();
    store.repository::<Account>().execute(open("alice")).unwrap();
    let view = SqliteProjection::new(&store, HostileView(Hostile::Payload, Failures::default())).unwrap();
    let running = view.on_progress(|_| panic_any(Payload)).follow().start().unwrap();
    running.wait_for(Position::new(5), LONG).unwrap_err();
    let error = running.stop().unwrap_err();
    assert!(matches!(error, ProjectionError::Follow(FollowError::Panicked { .. })), "{error}");
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Burst;

#[derive(Debug, Command)]
struct DoBurst(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(DoBurst), events(Burst))]
struct Bursting;

#[handlers]
impl Bursting {
    #[execute]
    fn burst(&self, command: DoBurst) -> Burst {
        if command.0 == "payload" {
            panic_any(Payload);
        }
        Burst
    }

    #[apply]
    fn has_burst(&mut self, _: &Burst) {}
}

/// The payload reaches the caller, and no other.
#[test]
fn a_command_handler_may_panic_with_anything() {
    for store in stores() {
        let bursting = store.repository::<Bursting>();
        let payload = catch_unwind(AssertUnwindSafe(|| bursting.execute(DoBurst("payload".into()))));
        assert!(payload.as_ref().is_err_and(|payload| payload.is::<Payload>()));
        forget_if_it_panics(|| drop(payload));
        bursting.execute(DoBurst("plain".into())).unwrap();
    }
}

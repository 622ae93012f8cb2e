//! Checks and hooks of commands that an application sends itself: its timers, and its reactions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use factum::application::{CarriedOut, CommandOrigin, Hook, Incoming};
use factum::follow::{CommandRoutes, GiveError, KeepsTimers};
use factum::prelude::*;
use factum::testing::{of, react};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::hooks::Log;
use super::shop::LONG;
use super::timers::tower::keys;
use crate::support::bounded::wait_until;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Rung {
    note: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Command)]
struct Ring {
    #[command(id)]
    bell: String,
    #[validate(not_empty)]
    note: String,
}

fn not_empty(text: &str) -> Result<(), &'static str> {
    if text.is_empty() { Err("must not be empty") } else { Ok(()) }
}

fn ring(bell: &str, note: &str) -> Ring {
    Ring { bell: bell.to_owned(), note: note.to_owned() }
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Ring), events(Rung))]
struct Bell;

#[handlers]
impl Bell {
    #[execute]
    fn ring(&self, command: Ring) -> Rung {
        Rung { note: command.note }
    }

    #[apply]
    fn rung(&mut self, _: &Rung) {}
}

/// Notes the commands of the application itself, and denies `loud` ones while it is night.
#[derive(Clone)]
struct Gate {
    log: Log,
    is_night: Arc<AtomicBool>,
}

impl Gate {
    fn new() -> Self {
        Self { log: Log::default(), is_night: Arc::new(AtomicBool::new(true)) }
    }
}

impl Hook for Gate {
    fn before(&self, command: &mut Incoming<'_>) -> Result<(), BoxError> {
        if command.origin() != CommandOrigin::Application {
            return Ok(());
        }
        let note = command.command::<Ring>().map(|ring| ring.note.clone()).unwrap_or_default();
        self.log.add(format!("before {note}"));
        if note == "loud" && self.is_night.load(Ordering::SeqCst) {
            return Err("bells are silent at night".into());
        }
        Ok(command.enrich("by", "gate")?)
    }

    fn after(&self, command: &CarriedOut<'_>) {
        if command.origin == CommandOrigin::Application {
            self.log.add(format!("after, at {}", command.outcome.map_or(0, |done| done.version)));
        }
    }
}

#[derive(Application)]
#[application(aggregates(Bell), schedules(Ring))]
struct Tower {
    #[hook]
    gate: Gate,
}

#[test]
fn commands_of_timers_are_checked_and_pass_the_hooks() {
    timers_on(&SqliteStore::in_memory().unwrap());
    timers_on(&MemoryStore::new());
}

fn timers_on<S: KeepsTimers>(store: &S) {
    let gate = Gate::new();
    let tower = Tower { gate: gate.clone() }.start(store).unwrap();
    for (key, note) in [("invalid", ""), ("denied", "loud"), ("right", "soft")] {
        tower.schedule(Timestamp::now(), ring("bell", note), key).unwrap();
    }
    wait_until(|| tower.scheduled().unwrap().is_empty());
    assert_eq!(gate.log.take(), ["before loud", "before soft", "after, at 1"]);
    let letters = tower.timers().dead_letters().unwrap();
    assert_eq!(keys(&letters), ["invalid", "denied"]);
    let errors: Vec<_> = letters.iter().map(|letter| &*letter.failure.as_ref().unwrap().error).collect();
    assert_eq!(
        errors,
        [
            "the command can't be executed: the command `ring` is invalid: `note`: must not be empty",
            "the command can't be executed: denied by the hook `gate`: bells are silent at night",
        ]
    );
    let rung = || tower.repository::<Bell>().history(&"bell".to_owned()).unwrap().map(Result::unwrap);
    let custom = rung().next().unwrap().metadata.custom::<Value>().unwrap();
    assert_eq!(custom, Some(json!({ "by": "gate" })));

    // A retry asks the hooks again.
    gate.is_night.store(false, Ordering::SeqCst);
    assert!(tower.timers().retry(letters[1].number).unwrap());
    wait_until(|| tower.scheduled().unwrap().is_empty());
    assert_eq!(keys(&tower.timers().dead_letters().unwrap()), ["invalid"]);
    assert_eq!(rung().count(), 2);
}

/// Rings another bell with each note of the first one, and notes what came of it. Of `quiet`, the echo is empty.
#[derive(Default, Reaction)]
#[reaction(events(Rung), from(Bell), commands(Ring))]
struct Echo {
    log: Log,
}

#[handlers]
impl Echo {
    #[react]
    fn rung(&self, event: &Rung, bell: &str, delivery: &Delivery<Self>) {
        if bell != "first" {
            return;
        }
        let note = if event.note == "quiet" { "" } else { &event.note };
        self.log.add(match delivery.execute(ring("second", note)) {
            Ok(()) => "given".to_owned(),
            Err(GiveError::Execute(ExecuteError::Invalid(invalid))) => {
                format!("invalid: {:?}", invalid.failures[0].field)
            }
            Err(GiveError::Execute(ExecuteError::Denied(denied))) => format!("denied by {}", denied.hook),
            Err(error) => error.to_string(),
        });
    }
}

#[derive(Application)]
#[application(aggregates(Bell))]
struct House {
    #[hook]
    gate: Gate,
    #[reaction]
    echo: Echo,
}

#[test]
fn commands_of_reactions_are_checked_and_pass_the_hooks() {
    let (gate, echo) = (Gate::new(), Log::default());
    let house = House { gate: gate.clone(), echo: Echo { log: echo.clone() } };
    let house = house.start(&SqliteStore::in_memory().unwrap()).unwrap();
    for note in ["quiet", "loud", "soft"] {
        let done = house.execute(ring("first", note)).unwrap();
        house.wait_for_all(done.position().unwrap(), LONG).unwrap();
    }
    assert_eq!(echo.take(), ["invalid: Some(\"note\")", "denied by gate", "given"]);
    assert_eq!(gate.log.take(), ["before loud", "before soft", "after, at 1"]);
    let mut second = house.repository::<Bell>().history(&"second".to_owned()).unwrap();
    let rung = second.next().unwrap().unwrap();
    assert_eq!(rung.metadata.custom::<Value>().unwrap(), Some(json!({ "by": "gate" })));
    assert!(second.next().is_none());
}

#[test]
fn commands_of_reactions_are_checked_without_an_application_too() {
    let store = SqliteStore::in_memory().unwrap();
    let bells = store.repository::<Bell>();
    bells.execute(ring("first", "quiet")).unwrap();
    let log = Log::default();
    let echo = SqliteReaction::new(&store, Echo { log: log.clone() }).unwrap();
    echo.commands(CommandRoutes::new().to(bells.clone())).catch_up().unwrap();
    assert_eq!(log.take(), ["invalid: Some(\"note\")"]);
    assert!(!bells.exists(&"second".to_owned()).unwrap());

    react(Echo::default(), of::<Bell>("first".to_owned(), Rung { note: "quiet".into() }))
        .then(|echo| echo.log.take(), ["invalid: Some(\"note\")"])
        .then_commands::<Ring>([]);
}

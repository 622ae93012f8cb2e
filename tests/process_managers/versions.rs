//! What a process stores has versions, and the lock records them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use factum::prelude::*;
use factum::testing::Lock;
use serde::{Deserialize, Serialize};

use crate::support::bounded::wait_until;
use crate::support::kept::{KeptProcess, KeptStore};
use crate::support::shop::{Order, OrderId, OrderPlaced, Shop, TIME_TO_PAY, order};

/// A command that has changed since it was first stored. `Event` is for its versions.
#[derive(Debug, Clone, Serialize, Deserialize, Command, Event)]
#[event(version = 2, aliases("memo"))]
struct Note {
    #[command(id)]
    order: OrderId,
    #[event(added(since = 2, default = "none".to_owned()))]
    text: String,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Noted {
    text: String,
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = OrderId, commands(Note, Recall), events(Noted))]
struct Notes {
    texts: Vec<String>,
}

#[handlers]
impl Notes {
    #[execute]
    fn note(&self, command: Note) -> Noted {
        Noted { text: command.text }
    }
    #[execute]
    fn recall(&self, command: Recall) -> Noted {
        Noted { text: command.reason }
    }
    #[apply]
    fn noted(&mut self, event: &Noted) {
        self.texts.push(event.text.clone());
    }
}

/// It takes notes too.
#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = OrderId, commands(Note), events(Noted))]
struct Archive;

#[handlers]
impl Archive {
    #[execute]
    fn note(&self, command: Note) -> Noted {
        Noted { text: command.text }
    }
    #[apply]
    fn noted(&mut self, _: &Noted) {}
}

#[derive(Debug, Serialize, Deserialize, Timeout)]
struct Reminder {
    text: String,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(id = OrderId, starts(OrderPlaced by stream), from(Order), commands(Note for Notes), timeouts(Reminder))]
struct Clerk;

#[handlers]
impl Clerk {
    #[react]
    fn placed(&self, _: &OrderPlaced, id: &OrderId) -> (Note, After<Reminder>) {
        (
            Note { order: id.clone(), text: "placed".into() },
            After(Reminder { text: "later".into() }, TIME_TO_PAY),
        )
    }
    #[react]
    fn remind(&self, timeout: &Reminder, id: &OrderId) -> Note {
        Note { order: id.clone(), text: timeout.text.clone() }
    }
}

/// Fails to send for as long as it says.
struct Gate {
    is_open: Arc<AtomicBool>,
    notes: Repository<Notes, KeptStore>,
}

impl factum::follow::Commands for Gate {
    fn send(
        &self,
        command: &factum::follow::SentCommand<'_>,
        refused: &mut dyn FnMut(&dyn std::any::Any, &str),
    ) -> Result<(), factum::follow::SendError> {
        if !self.is_open.load(Ordering::SeqCst) {
            return Err(factum::follow::SendError::Failed("closed".into()));
        }
        let routes = factum::follow::CommandRoutes::new().to(self.notes.clone());
        factum::follow::Commands::send(&routes, command, refused)
    }
}

#[test]
fn a_command_of_an_older_version_is_sent_as_it_is_now() {
    let shop = Shop::with_stock(0);
    let is_open = Arc::new(AtomicBool::new(false));
    let notes = shop.store.repository::<Notes>();
    let gate = Gate { is_open: Arc::clone(&is_open), notes: notes.clone() };
    let mut process = KeptProcess::new(&shop.store, Clerk, Arc::new(gate)).unwrap().clock(shop.clock.clone());
    shop.place("a", 5);
    shop.place("b", 5);
    wait_until(|| {
        process.catch_up().unwrap_err();
        shop.sql("SELECT count(*) FROM factum_process_commands") == ["2"]
    });
    shop.sql(
        r#"UPDATE factum_process_commands SET version = 1, payload = '{"order":"a"}' WHERE instance = 'a';
           UPDATE factum_process_commands SET version = 3 WHERE instance = 'b';"#,
    );
    is_open.store(true, Ordering::SeqCst);
    process.catch_up().unwrap();
    assert_eq!(notes.load(&order("a")).unwrap().state().texts, ["none"]);
    let letters = process.instances().dead_letters().unwrap();
    assert_eq!(letters[0].instance, "b");
    assert_eq!(
        letters[0].error,
        "version 3 of `note` is newer than version 2, the newest this program knows"
    );
}

/// The process says which aggregate is meant, and so does what is stored.
#[test]
fn a_command_that_two_aggregates_take_goes_to_the_one_that_was_named() {
    let shop = Shop::with_stock(0);
    let (notes, archive) = (shop.store.repository::<Notes>(), shop.store.repository::<Archive>());
    let both = factum::follow::CommandRoutes::new().to(archive.clone()).to(notes.clone()).shared();
    shop.place("a", 5);
    KeptProcess::new(&shop.store, Clerk, both).unwrap().catch_up().unwrap();
    assert_eq!(notes.load(&order("a")).unwrap().state().texts, ["placed"]);
    assert!(archive.load(&order("a")).is_err());
    // The only one that takes it is not the one that was named.
    shop.place("b", 5);
    let other = factum::follow::CommandRoutes::new().to(archive).shared();
    let mut process = KeptProcess::new(&shop.store, Clerk, other).unwrap();
    process.catch_up().unwrap();
    let letters = process.instances().dead_letters().unwrap();
    assert_eq!(
        letters[0].error,
        "the command can't be executed: no repository of `notes` takes a command `note`"
    );
}

#[test]
fn a_command_that_was_stored_under_an_earlier_name_is_sent_under_its_new_one() {
    let shop = Shop::with_stock(0);
    let is_open = Arc::new(AtomicBool::new(false));
    let notes = shop.store.repository::<Notes>();
    let gate = Gate { is_open: Arc::clone(&is_open), notes: notes.clone() };
    let mut process = KeptProcess::new(&shop.store, Clerk, Arc::new(gate)).unwrap();
    shop.place("a", 5);
    process.catch_up().unwrap_err();
    let renamed = shop.sql(
        r#"UPDATE factum_process_commands SET name = 'memo', version = 1, payload = '{"order":"a"}' RETURNING 1"#,
    );
    assert_eq!(renamed, ["1"]);
    is_open.store(true, Ordering::SeqCst);
    process.catch_up().unwrap();
    assert_eq!(notes.load(&order("a")).unwrap().state().texts, ["none"]);
    assert_eq!(process.instances().dead_letters().unwrap(), []);
}

/// A command that can't be read as it was first stored.
#[derive(Debug, Clone, Serialize, Deserialize, Command, Event)]
#[event(version = 2)]
struct Recall {
    #[command(id)]
    order: OrderId,
    #[event(added(since = 2, default = lost()))]
    reason: String,
}

fn lost() -> String {
    panic!("the reason is lost")
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(id = OrderId, starts(OrderPlaced by stream), from(Order), commands(Recall unrefused))]
struct Recalls;

#[handlers]
impl Recalls {
    #[react]
    fn placed(&self, _: &OrderPlaced, id: &OrderId) -> Recall {
        Recall { order: id.clone(), reason: "new".into() }
    }
}

#[test]
fn a_command_whose_upgrade_panics_fails_and_holds_up_no_sender() {
    let shop = Shop::with_stock(0);
    let gate = Gate { is_open: Arc::default(), notes: shop.store.repository::<Notes>() };
    let mut process = KeptProcess::new(&shop.store, Recalls, Arc::new(gate)).unwrap();
    shop.place("a", 5);
    process.catch_up().unwrap_err();
    let stored = r#"UPDATE factum_process_commands SET version = 1, payload = '{"order":"a"}' RETURNING 1"#;
    assert_eq!(shop.sql(stored), ["1"]);
    for _ in 0..2 {
        let error = factum::with_causes(&process.catch_up().unwrap_err());
        assert!(error.ends_with("the handler panicked: the reason is lost"), "{error}");
    }
}

#[test]
fn the_lock_records_time_outs_and_commands_with_versions() {
    let folder = tempfile::tempdir().unwrap();
    Lock::of_crate(folder.path()).write_new().process::<Clerk>().check();
    let lock = std::fs::read_to_string(folder.path().join("events.lock")).unwrap();
    for line in ["event reminder 1 text String", "event note 1 order OrderId", "event note 2 text String"] {
        assert!(lock.lines().any(|recorded| recorded.starts_with(line)), "{line} is not in\n{lock}");
    }
    Lock::of_crate(folder.path()).check_only().process::<Clerk>().check();
}

//! Names in scope that generated code might use: constants, which no variable can shadow, and methods of every type.

#![deny(warnings)]
#![allow(dead_code, non_upper_case_globals)]

use factum::prelude::*;
use serde::{Deserialize, Serialize};

macro_rules! constants {
    ($($name:ident)*) => { $(const $name: u8 = 0;)* };
}

constants! {
    a aggregate applied arguments asked b bytes command commands content context current decoded delivery e envelope
    error event events f first from handler id inner it json key kinds list name new next number of old
    old_value older one other out past payload position projection read reason repeated result row second shapes
    shown snapshot snapshots source state stored stream t text this transaction value version when x y
}

macro_rules! methods {
    ($($name:ident)*) => {
        /// A trait of every type, with methods named as those of factum and of the standard library.
        trait Everything {
            $(fn $name(&self) {})*
        }

        impl<T: ?Sized> Everything for T {}
    };
}

methods! {
    aggregate_id append_to apply as_any clone compared_by content copy current_name debug decide decide_fallible decode
    decoded done downcast_ref duplicate emits encode event_version execute extend field find fingerprint finish fmt
    from_json from_text hand handle_stored handle_typed id initial into into_events iter key lend map map_err
    mark name new next ok parts part passes_over prepare project push react read read_older sends shapes to_json to_text
    traits upcast
}

/// Methods by value come before those by reference.
trait ByValue: Sized {
    fn content(self) {}
    fn read(self, _: u32, _: &str) {}
    fn handle_stored(self) {}
}

impl<T> ByValue for T {}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EventSchema)]
struct Part {
    text: String,
}

#[derive(Debug, Clone, AggregateId)]
struct Id(String);

#[derive(Debug, AggregateId)]
struct NamedId {
    inner: u64,
}

#[derive(Debug, Command)]
struct Open {
    #[command(id)]
    id: Id,
    part: Part,
}

#[derive(Debug, Clone, Command, Serialize)]
struct Close(String);

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 3, removed(since = 2, name = "gone", ty = u8))]
struct Opened {
    #[event(changed(since = 2, from = u8, with = u64::from), changed(since = 3, from = u64, try_with = u32::try_from))]
    count: u32,
    #[event(added(since = 3, default = 1))]
    old: u8,
    part: Part,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2, previous = WasClosed, aliases("shut"))]
struct Closed;

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "closed")]
struct WasClosed;

impl std::convert::From<WasClosed> for Closed {
    fn from(_: WasClosed) -> Self {
        Self
    }
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Dropped;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Renewed;

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, Aggregate)]
#[aggregate(
    id = Id,
    commands(Open),
    events(Opened, Closed),
    retired(Dropped, Renewed, "gone"),
    services = u8,
    snapshot(every = 2, older_than = std::time::Duration::from_secs(1), when = Self::is_full)
)]
struct Account {
    count: u32,
}

impl Account {
    fn is_full(&self) -> bool {
        self.count > 100
    }
}

#[handlers]
impl Account {
    #[execute]
    fn open(&self, _: Open, _: &u8) -> std::result::Result<Opened, std::convert::Infallible> {
        Ok(Opened { count: 1, old: 2, part: Part { text: String::new() } })
    }

    #[apply]
    fn opened(&mut self, opened: &Opened) {
        self.count += opened.count;
    }

    #[apply]
    fn closed(&mut self, _: &Closed) {}

    #[upcast]
    fn renewed(_: Renewed) -> Closed {
        Closed
    }
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Close), events(Closed))]
struct Other;

#[handlers]
impl Other {
    #[execute]
    fn close(&self, _: Close) -> Closed {
        Closed
    }

    #[apply]
    fn closed(&mut self, _: &Closed) {}
}

#[derive(Debug, Default, Projection)]
#[projection(events(Opened, Closed), from(Account, Other), partition_by = stream)]
struct View {
    count: u32,
}

#[handlers]
impl View {
    #[project]
    fn opened(&mut self, _: &Opened, _: &str) {
        self.count += 1;
    }

    #[project]
    fn closed(&mut self, _: &Closed, _: &Envelope<'_>) -> std::result::Result<(), BoxError> {
        self.count += 10;
        Ok(())
    }
}

#[derive(Debug, Default, Projection)]
#[projection(events(Opened), from(Account), into = Sqlite, init = "CREATE TABLE seen (key TEXT)")]
struct Seen;

#[handlers]
impl Seen {
    #[project]
    fn opened(&mut self, _: &Opened, _: &str, _: &rusqlite::Transaction<'_>) {}
}

#[derive(Debug, Default, Reaction)]
#[reaction(events(Opened), from(Account))]
struct Mail;

#[handlers]
impl Mail {
    #[react]
    fn opened(&mut self, _: &Opened, _: &Envelope<'_>, _: &Delivery) {}
}

fn main() {
    let accounts = MemoryStore::new();
    let mut view = MemoryProjection::new(&accounts, View::default());
    let repository = accounts.repository_with::<Account>(3);
    let opened = Open { id: Id(String::new()), part: Part { text: String::new() } };
    assert_eq!(repository.execute(opened).unwrap().state().count, 1);
    view.catch_up().unwrap();
    assert_eq!(view.view().count, 1);
}

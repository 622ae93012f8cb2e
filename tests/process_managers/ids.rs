//! Ids of instances: one id is one instance, whatever its text.

use std::borrow::Cow;

use factum::follow::InstanceState;
use factum::prelude::*;
use factum::store::{Append, ExpectedVersion, NewEvent};
use factum::{InvalidId, Metadata, StreamName, Uuid};
use serde::{Deserialize, Serialize};

use crate::support::kept::{KeptProcess, new_kept};
use crate::support::shop::{ShipOrder, Shop};

/// An id that is read in large letters too.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Code(String);

impl AggregateId for Code {
    fn to_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }

    fn from_text(text: &str) -> Result<Self, InvalidId> {
        Ok(Self(text.to_lowercase()))
    }
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Named {
    code: Code,
}

#[derive(Debug, Clone, Serialize, Deserialize, Command)]
struct Close(Code);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = Code, commands(Close), events(Opened, Named))]
struct Account;

#[handlers]
impl Account {
    #[execute]
    fn close(&self, _: Close) {}
    #[apply]
    fn opened(&mut self, _: &Opened) {}
    #[apply]
    fn named(&mut self, _: &Named) {}
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, Process)]
#[process(
    id = Code,
    starts(Opened by stream),
    events(Named by code),
    from(Account),
    commands(Close)
)]
struct Counting {
    opened: u32,
    named: u32,
}

#[handlers]
impl Counting {
    #[apply]
    fn opened(&mut self, _: &Opened) {
        self.opened += 1;
    }
    #[apply]
    fn named(&mut self, _: &Named) {
        self.named += 1;
    }
}

#[test]
fn two_texts_of_one_id_are_one_instance() {
    let store = new_kept();
    let metadata = Metadata::default();
    for (key, name, payload) in
        [("ab", "opened", "null"), ("AB", "opened", "null"), ("other", "named", r#"{"code":"ab"}"#)]
    {
        let event = NewEvent::new(name, 1, payload, Uuid::now_v7(), Timestamp::now(), &metadata);
        let stream = StreamName::new("account", key);
        store.append(&[Append::new(&stream, ExpectedVersion::Any, &[event])]).unwrap();
    }
    let commands = factum::follow::CommandRoutes::new().to(store.repository::<Account>()).shared();
    let mut process = KeptProcess::new(&store, Counting::default(), commands).unwrap();
    process.catch_up().unwrap();
    let counted = process.instances().get(&Code("ab".into())).unwrap();
    assert_eq!(counted, Some(InstanceState::Running(Counting { opened: 2, named: 1 })));
}

/// The only instance of its process: the text of its id is empty.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(id = (), starts(Placed by all), from(Book), commands(ShipOrder unrefused))]
struct Single;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Placed {
    all: (),
}

#[derive(Debug, Clone, Serialize, Deserialize, Command)]
struct Place(#[command(id)] u32);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = u32, commands(Place), events(Placed))]
struct Book;

#[handlers]
impl Book {
    #[execute]
    fn place(&self, _: Place) -> Placed {
        Placed { all: () }
    }
    #[apply]
    fn placed(&mut self, _: &Placed) {}
}

#[handlers]
impl Single {
    #[react]
    fn placed(&self, _: &Placed) -> Result<(ShipOrder, Done), String> {
        Err("never".into())
    }
}

#[test]
fn the_dead_letter_of_an_instance_whose_id_has_no_text_is_listed() {
    let shop = Shop::with_stock(0);
    shop.store.repository::<Book>().execute(Place(1)).unwrap();
    let mut process = KeptProcess::new(&shop.store, Single, shop.commands()).unwrap();
    process.catch_up().unwrap();
    let letters = process.instances().dead_letters().unwrap();
    assert_eq!((letters.len(), letters[0].instance.as_str()), (1, ""));
    assert!(process.instances().discard(&(), "a test").unwrap().is_some());
}

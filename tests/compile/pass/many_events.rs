//! Tuples of 16 events, nested ones, and what a handler may take beside its command or event.

use std::borrow::Cow;
use std::marker::PhantomData;

use factum::follow::Delivery;
use factum::prelude::*;
use factum::testing::given;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
struct Rolled(u8);

/// Owned, although there are lifetimes in it.
#[derive(Debug, Serialize, Deserialize, Event)]
struct Named {
    name: Cow<'static, str>,
    #[serde(skip_serializing_if = "is_known", default)]
    mark: PhantomData<&'static str>,
    #[serde(serialize_with = "no_table", deserialize_with = "the_table")]
    table: &'static Table,
}

fn is_known(_: &PhantomData<&'static str>) -> bool {
    true
}

#[derive(Debug)]
struct Table;

fn no_table<S: Serializer>(_: &&'static Table, into: S) -> Result<S::Ok, S::Error> {
    ().serialize(into)
}

fn the_table<'de, D: Deserializer<'de>>(from: D) -> Result<&'static Table, D::Error> {
    <()>::deserialize(from).map(|()| &Table)
}

#[derive(Debug, Command)]
struct Roll(String);

#[derive(Debug, Command)]
struct RollMore(String);

#[derive(Debug, Command)]
struct Name(String);

trait Dice {
    fn roll(&self) -> u8;
}

struct Fixed;

impl Dice for Fixed {
    fn roll(&self) -> u8 {
        3
    }
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, services = Fixed, commands(Roll, RollMore, Name), events(Rolled, Named))]
struct Game {
    sum: u64,
}

type R = Rolled;

#[handlers]
impl Game {
    // The services coerce to what the handler takes.
    #[execute]
    fn roll(&self, _: Roll, dice: &dyn Dice) -> (R, R, R, R, R, R, R, R, R, R, R, R, R, R, R, R) {
        let r = || Rolled(dice.roll());
        (r(), r(), r(), r(), r(), r(), r(), r(), r(), r(), r(), r(), r(), r(), r(), r())
    }

    #[execute]
    fn more(&self, _: RollMore, dice: &impl Dice) -> ((R, R), (R, (R, Option<R>))) {
        let _ = dice;
        ((Rolled(1), Rolled(2)), (Rolled(3), (Rolled(4), None)))
    }

    #[execute]
    fn name(&self, command: Name) -> Named {
        Named { name: command.0.into(), mark: PhantomData, table: &Table }
    }

    #[apply]
    fn rolled<'e>(&mut self, event: &'e Rolled) {
        self.sum += u64::from(event.0);
    }

    #[apply]
    fn named(&mut self, _: &Named) {}
}

type Attempt = Delivery;

#[derive(Debug, Reaction)]
#[reaction(events(Rolled, Named), from(Game))]
struct Watcher;

macro_rules! named {
    () => {
        Named
    };
}

// Types that come through `$` whole, and one that a macro makes.
macro_rules! reactions {
    ($envelope:ty, $($name:ident $event:ty, $beside:ty;)*) => {
        #[handlers]
        impl Watcher {
            $(
                #[react]
                fn $name(&self, _: $event, _: $beside, envelope: $envelope) {
                    println!("{}", envelope.key);
                }
            )*

            #[react]
            fn named(&self, _: &named!(), key: &str, _: &Delivery) {
                println!("{key}");
            }
        }
    };
}

reactions! { &Envelope<'_>, rolled &Rolled, &Attempt; }

fn main() {
    let four = || (Rolled(3), Rolled(3), Rolled(3), Rolled(3));
    let test = given::<Game>((four(), four())).when_with(Roll("a".into()), &Fixed);
    let _ = test.then((four(), (four(), four()), four()));
}

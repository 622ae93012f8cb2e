//! The shapes that commands, events, states and handlers may have.

use factum::prelude::*;
use factum::{Accepts, Emits, EventKind, EventSet};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Lit {
    lumens: u32,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Dimmed(u32);

#[derive(Debug, Serialize, Deserialize, Event)]
struct PutOut;

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "bulb.burnt-out", version = 1, aliases("burnt", "dead"))]
struct BurntOut {
    r#type: String,
}

#[derive(Debug, Clone, PartialEq, AggregateId)]
struct LampId {
    number: u16,
}

#[derive(Debug, Command)]
struct Light {
    #[command(id)]
    lamp: LampId,
    lumens: u32,
}

#[derive(Debug, Command)]
struct Dim(#[command(id)] LampId, u32);

#[derive(Debug, Command)]
struct PutItOut(LampId);

#[derive(Debug, Command)]
struct Flicker(LampId);

#[derive(Debug, Command)]
struct Nudge(LampId);

#[derive(Debug, Command)]
struct Burn(LampId);

#[derive(Debug, Command)]
struct Look(LampId);

/// A state that is an enum.
#[derive(Debug, Default, Clone, PartialEq, Aggregate)]
#[aggregate(
    name = "lamp",
    id = LampId,
    services = u32,
    commands(Light, Dim, PutItOut, Flicker, Nudge, Burn, Look),
    events(Lit, Dimmed, PutOut, BurntOut),
    command(name = LampRequest),
    event(name = LampFact),
)]
enum Lamp {
    #[default]
    Dark,
    Bright(u32),
    Broken,
}

type Facts = Result<[Option<LampFact>; 2], std::convert::Infallible>;

#[handlers]
impl Lamp {
    const FACTOR: u32 = { 2 };

    #[execute]
    fn light(&self, command: Light, most: &u32) -> Lit {
        Lit { lumens: command.lumens.min(*most) }
    }

    #[execute]
    fn dim(&self, Dim(_, to): Dim) -> Vec<Dimmed> {
        match *self {
            // One event for each step.
            Self::Bright(lumens) => (to..lumens).rev().map(Dimmed).collect(),
            _ => Vec::new(),
        }
    }

    #[execute]
    fn put_out(&self, _: PutItOut) -> Result<Option<PutOut>, std::convert::Infallible> {
        Ok((*self != Self::Dark).then_some(PutOut))
    }

    /// The name of the return type does not show that it is a `Result`.
    #[execute]
    fn flicker(&self, _: Flicker) -> Facts {
        Ok([Some(PutOut.into()), Some(Lit { lumens: Self::FACTOR }.into())])
    }

    #[execute]
    fn nudge(&self, _: Nudge) -> Events<Self> {
        let mut events = Events::on(self);
        events.emit(Lit { lumens: 1 });
        while let Self::Bright(lumens) = *events.state()
            && lumens < 4
        {
            events.emit(LampFact::Lit(Lit { lumens: lumens * 2 }));
        }
        assert_eq!((self, events.emitted().len()), (&Self::Dark, 3), "the lamp itself has not changed");
        events
    }

    #[execute]
    fn burn(&self, _: Burn) -> LampFact {
        BurntOut { r#type: "bulb".into() }.into()
    }

    #[execute]
    fn look(&self, _: Look) {}

    #[apply]
    fn lit(&mut self, event: &Lit) {
        *self = Self::Bright(event.lumens);
    }

    #[apply]
    fn dimmed(&mut self, Dimmed(lumens): &Dimmed) {
        *self = Self::Bright(*lumens);
    }
}

/// A second `#[handlers]` block, and a handler written by hand, count as much as the first block.
#[handlers]
impl Lamp {
    #[apply]
    #[cfg(test)]
    fn out(&mut self, _: &PutOut) {
        *self = Self::Dark;
    }

    #[apply]
    #[cfg(not(test))]
    fn out(&mut self, _: &PutOut) {
        unreachable!()
    }
}

impl Apply<BurntOut> for Lamp {
    fn apply(&mut self, _: &BurntOut) {
        *self = Self::Broken;
    }
}

#[test]
fn handlers_may_return_events_in_many_shapes() {
    let lamps = MemoryStore::new().repository_with::<Lamp>(100);
    let lamp = || LampId { number: 7 };
    let events = |done: &factum::Executed<Lamp>| {
        done.events().iter().map(|event| event.event.name()).collect::<Vec<_>>().join(" ")
    };
    let lit = lamps.execute(Light { lamp: lamp(), lumens: 500 }).unwrap();
    assert_eq!((lit.state(), events(&lit).as_str()), (&Lamp::Bright(100), "lit"));
    let options = ExecuteOptions::new().services(&7);
    let lit = lamps.execute_with(Light { lamp: lamp(), lumens: 500 }, &options).unwrap();
    assert_eq!(lit.state(), &Lamp::Bright(7));
    let dimmed = lamps.execute(Dim(lamp(), 4)).unwrap();
    assert_eq!((dimmed.state(), events(&dimmed).as_str()), (&Lamp::Bright(4), "dimmed dimmed dimmed"));
    let out = lamps.execute(PutItOut(lamp())).unwrap();
    assert_eq!((out.state(), events(&out).as_str()), (&Lamp::Dark, "put-out"));
    assert!(lamps.execute(PutItOut(lamp())).unwrap().is_unchanged());
    assert!(lamps.execute(Look(lamp())).unwrap().is_unchanged());
    let nudged = lamps.execute(Nudge(lamp())).unwrap();
    assert_eq!((nudged.state(), events(&nudged).as_str()), (&Lamp::Bright(4), "lit lit lit"));
    let flickered = lamps.execute(Flicker(lamp())).unwrap();
    assert_eq!((flickered.state(), events(&flickered).as_str()), (&Lamp::Bright(2), "put-out lit"));
    let burnt = lamps.execute(LampRequest::from(Burn(lamp()))).unwrap();
    assert_eq!((burnt.state(), events(&burnt).as_str()), (&Lamp::Broken, "bulb.burnt-out"));
    assert_eq!(lamps.load(&lamp()).unwrap().state(), &Lamp::Broken);
    assert_eq!(lamps.load(&lamp()).unwrap().version(), burnt.version());
}

#[test]
fn an_event_is_known_by_name_version_and_aliases() {
    assert_eq!((Lit::NAME, Lit::VERSION, Lit::ALIASES), ("lit", 1, &[][..]));
    assert_eq!(BurntOut::ALIASES, ["burnt", "dead"]);
    let kind = EventKind::of::<BurntOut>();
    assert_eq!(kind.names().collect::<Vec<_>>(), ["bulb.burnt-out", "burnt", "dead"]);
    assert_eq!(
        LampFact::KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>(),
        ["lit", "dimmed", "put-out", "bulb.burnt-out"]
    );
    let factum::Decoded::One(fact) = LampFact::decode("dead", 1, r#"{"type": "bulb"}"#).unwrap() else {
        panic!("one event")
    };
    assert!(matches!(fact, LampFact::BurntOut(BurntOut { r#type }) if r#type == "bulb"));
}

#[test]
fn generated_traits_can_be_relied_on() {
    fn takes<A: Accepts<Look> + Accepts<LampRequest> + Emits<Lit> + Emits<LampFact>>() -> &'static str {
        A::CATEGORY
    }
    assert_eq!(takes::<Lamp>(), "lamp");
}

mod elsewhere {
    use super::{Deserialize, Event, Serialize};

    #[derive(Debug, Serialize, Deserialize, Event)]
    #[event(name = "lit-elsewhere")]
    pub(super) struct Lit;
}

#[derive(Debug, Command)]
struct Both;

/// Events of two modules with one name, and an aggregate without ids.
#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = (), commands(Both), events(Lit, elsewhere::Lit as LitElsewhere))]
struct Odd {
    seen: u32,
}

#[handlers]
impl Odd {
    #[execute]
    fn both(&self, _: Both) -> (Lit, elsewhere::Lit) {
        (Lit { lumens: 1 }, elsewhere::Lit)
    }

    #[apply]
    fn here(&mut self, _: &Lit) {
        self.seen += 1;
    }

    #[apply]
    fn there(&mut self, _: &elsewhere::Lit) {
        self.seen += 10;
    }
}

#[test]
fn types_of_one_name_differ_by_their_variants() {
    let done = SqliteStore::in_memory().unwrap().repository::<Odd>().execute(Both).unwrap();
    assert_eq!(done.state().seen, 11);
    assert!(matches!(done.events()[1].event, OddEvent::LitElsewhere(elsewhere::Lit)));
    assert_eq!(done.events()[0].stream.to_string(), "odd/");
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct OddlyNamed {
    #[serde(rename = "two\nlines: x")]
    first: u8,
    #[serde(rename = "")]
    second: Option<LampColour>,
    #[serde(rename = "2")]
    third: [u8; 2],
}

#[derive(Debug, Serialize, Deserialize, EventSchema)]
struct LampColour(u8);

#[test]
fn names_in_json_may_have_anything_in_them() {
    let mut shapes = Vec::new();
    OddlyNamed::shapes(&mut shapes);
    let [shape] = &shapes[..] else { panic!("{shapes:?}") };
    let fields: Vec<_> =
        shape.fields.iter().map(|field| (field.name, field.ty, field.fingerprint != 0)).collect();
    assert_eq!(
        fields,
        [("", "Option<LampColour>", true), ("2", "[u8;2]", false), ("two\nlines: x", "u8", false)]
    );
}

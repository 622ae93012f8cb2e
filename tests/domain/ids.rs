//! Ids of aggregates, and the names of their streams.

use factum::prelude::*;
use factum::{InvalidId, StreamName, Uuid};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, AggregateId)]
struct LampId {
    number: u16,
}

#[derive(Debug, Command)]
struct Light(LampId);

#[derive(Debug, Serialize, Deserialize, Event)]
struct Lit;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = LampId, commands(Light), events(Lit))]
struct Lamp;

#[handlers]
impl Lamp {
    #[execute]
    fn light(&self, _: Light) -> Lit {
        Lit
    }

    #[apply]
    fn lit(&mut self, _: &Lit) {}
}

#[test]
fn ids_come_back_from_their_text() {
    fn round_trip<I: AggregateId + PartialEq + std::fmt::Debug>(id: &I, text: &str) {
        assert_eq!(id.to_text(), text);
        assert_eq!(&I::from_text(text).unwrap(), id);
    }
    round_trip(&"a/b c\u{0}é".to_owned(), "a/b c\u{0}é");
    round_trip(&String::new(), "");
    round_trip(&-7_i64, "-7");
    round_trip(&u128::MAX, "340282366920938463463374607431768211455");
    round_trip(&Uuid::nil(), "00000000-0000-0000-0000-000000000000");
    round_trip(&(), "");
    round_trip(&LampId { number: 9 }, "9");
    // One id has one text: another spelling would be another stream.
    for text in ["07", "+7", " 7", "", "70000"] {
        assert!(u16::from_text(text).is_err(), "{text}");
        let error: InvalidId = LampId::from_text(text).unwrap_err();
        assert!(error.wanted.ends_with("LampId"), "{error}");
    }
    assert!(<()>::from_text("x").is_err());
    assert!(Uuid::from_text("00000000000000000000000000000000").is_err());
}

#[test]
fn no_two_aggregates_share_a_stream_whatever_their_ids_contain() {
    let texts = ["", "/", "a", "a/b", "b", "/a", "lamp", "lamp/a", "\u{0}", "é"];
    let mut names = std::collections::HashSet::new();
    for category in ["lamp", "lamps", "a", "b-c"] {
        for text in texts {
            let stream = StreamName::new(category, text);
            assert_eq!((stream.category(), stream.key()), (category, text));
            assert!(names.insert(stream.to_string()), "{stream} is ambiguous");
        }
    }
    assert_eq!(
        StreamName::of::<Lamp>(&LampId { number: 9 }).aggregate_id::<LampId>().unwrap(),
        LampId { number: 9 }
    );
}

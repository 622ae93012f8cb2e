//! Events of older versions, which are read as the current version.

use std::collections::BTreeMap;

use factum::DecodeError;
use factum::prelude::*;
use serde::{Deserialize, Serialize};

use crate::support::chain::chain;

fn read<E: Event>(version: u32, json: &str) -> E {
    E::decode(version, json).unwrap_or_else(|error| panic!("version {version}: {error}"))
}

/// An event that is encoded decodes as it was.
fn round_trip<E: Event + PartialEq>(event: &E) {
    let mut json = Vec::new();
    event.encode(&mut json).unwrap();
    assert_eq!(&read::<E>(E::VERSION, std::str::from_utf8(&json).unwrap()), event);
}

#[derive(Debug, PartialEq, Clone, Copy, Serialize, Deserialize)]
enum Currency {
    Usd,
    Eur,
}

#[derive(Debug, PartialEq, Clone, Serialize, Deserialize)]
enum Channel {
    Branch,
    Other(String),
}

impl Channel {
    fn from_legacy(text: String) -> Self {
        if text == "branch" { Self::Branch } else { Self::Other(text) }
    }
}

/// An event with all kinds of changes.
#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "money-deposited", version = 3)]
struct MoneyDeposited {
    #[event(renamed(since = 2, from = "sum"))]
    amount: u64,
    #[event(added(since = 2, default = Currency::Usd))]
    currency: Currency,
    #[event(changed(since = 3, from = String, with = Channel::from_legacy))]
    channel: Channel,
}

#[test]
fn each_version_becomes_the_current_one() {
    let event = |currency, channel| MoneyDeposited { amount: 5, currency, channel };
    let first: MoneyDeposited = read(1, r#"{"sum": 5, "channel": "branch"}"#);
    assert_eq!(first, event(Currency::Usd, Channel::Branch));
    let second = read(2, r#"{"amount": 5, "currency": "Eur", "channel": "web"}"#);
    assert_eq!(event(Currency::Eur, Channel::Other("web".into())), second);
    let third = read(3, r#"{"amount": 5, "currency": "Eur", "channel": "Branch"}"#);
    assert_eq!(event(Currency::Eur, Channel::Branch), third);
    round_trip(&third);
}

#[test]
fn a_payload_of_one_version_is_not_taken_for_another() {
    for (version, json) in [
        (1, r#"{"amount": 5, "channel": "branch"}"#),
        (2, r#"{"sum": 5, "currency": "Eur", "channel": "web"}"#),
        (2, r#"{"amount": 5, "currency": "Eur", "channel": {"Other": "web"}}"#),
        (3, r#"{"amount": 5, "currency": "Eur", "channel": "web"}"#),
    ] {
        let error = MoneyDeposited::decode(version, json).unwrap_err();
        assert!(matches!(error, DecodeError::Payload { .. }), "{version} {json}: {error}");
    }
    let newer = MoneyDeposited::decode(4, "{}").unwrap_err();
    assert!(matches!(newer, DecodeError::NewerVersion { version: 4, known: 3, .. }), "{newer}");
    let zero = MoneyDeposited::decode(0, "{}").unwrap_err();
    assert!(matches!(zero, DecodeError::UnreadableVersion { version: 0, current: 3, .. }), "{zero}");
}

/// Every change that one field can have, and closures as conversions.
#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(version = 5)]
struct Measured {
    #[event(
        added(since = 2, default = 1 << 3, ),
        renamed(since = 3, from = "deg"),
        changed(since = 4, from = u8, with = |degrees: u8| i32::from(degrees) * 10),
        changed(since = 5, from = i32, try_with = in_range),
        renamed(since = 5, from = "degrees")
    )]
    temperature: i64,
}

fn in_range(tenths: i32) -> Result<i64, String> {
    if tenths > 1000 { Err(format!("{tenths} is too hot")) } else { Ok(i64::from(tenths)) }
}

#[test]
fn changes_of_a_field_stack() {
    for (version, json, temperature) in [
        (1, "{}", 80),
        (1, r#"{"anything": [1, 2]}"#, 80),
        (2, r#"{"deg": 7}"#, 70),
        (3, r#"{"degrees": 7}"#, 70),
        (4, r#"{"degrees": -71}"#, -71),
        (5, r#"{"temperature": -71}"#, -71),
    ] {
        assert_eq!(read::<Measured>(version, json), Measured { temperature }, "{version} {json}");
    }
    round_trip(&Measured { temperature: 3 });
}

#[test]
fn a_failed_conversion_names_its_field() {
    let error = Measured::decode(4, r#"{"degrees": 1001}"#).unwrap_err();
    assert_eq!(
        chain(&error),
        "`measured` version 4 can't be read as version 5 (field `temperature`): 1001 is too hot"
    );
}

/// With serde's attributes, which apply to every version.
#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[event(version = 3, removed(since = 2, name = "branch_name", ty = String), removed(since = 3, added = 2, name = "x", ty = u8))]
struct Attributed {
    #[event(renamed(since = 2, from = "paid_sum"))]
    paid_amount: u64,
    #[serde(rename = "WHO")]
    #[event(renamed(since = 3, from = "BY"))]
    who: String,
    #[serde(default, alias = "note")]
    free_text: Option<String>,
    #[serde(with = "tenths")]
    #[event(changed(since = 2, from = u64, with = |whole| whole * 10))]
    fee: u64,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    tags: Vec<String>,
}

/// What serde's rule makes of the old names, `renamed(from)` and `removed(name)` make of them too. The name as it is in
/// JSON means the same.
macro_rules! old_names_under {
    ($($rule:literal $in_json:literal;)*) => {$({
        #[derive(Serialize)]
        #[serde(rename_all = $rule)]
        struct Before {
            old_place: u8,
            moved_by: u8,
        }

        #[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
        #[serde(rename_all = $rule)]
        #[event(version = 2, removed(since = 2, name = "moved_by", ty = u8))]
        struct Moved {
            #[event(renamed(since = 2, from = "old_place"))]
            new_place: u8,
            #[serde(flatten)]
            rest: BTreeMap<String, u8>,
        }

        #[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
        #[serde(rename_all = $rule)]
        #[event(version = 2, removed(since = 2, name = $in_json, ty = u8))]
        struct Again {
            #[event(renamed(since = 2, from = "old_place"))]
            new_place: u8,
            #[serde(flatten)]
            rest: BTreeMap<String, u8>,
        }

        let json = serde_json::to_string(&Before { old_place: 1, moved_by: 2 }).unwrap();
        assert!(json.contains($in_json), "{json}");
        assert_eq!(read::<Moved>(1, &json), Moved { new_place: 1, rest: BTreeMap::new() }, "{json}");
        assert_eq!(read::<Again>(1, &json), Again { new_place: 1, rest: BTreeMap::new() }, "{json}");
    })*};
}

#[test]
fn old_names_follow_serdes_rule() {
    old_names_under! {
        "camelCase" "movedBy";
        "PascalCase" "MovedBy";
        "kebab-case" "moved-by";
        "SCREAMING_SNAKE_CASE" "MOVED_BY";
        "SCREAMING-KEBAB-CASE" "MOVED-BY";
        "UPPERCASE" "MOVED_BY";
        "snake_case" "moved_by";
    }
}

mod tenths {
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it so")]
    pub(super) fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{value}/10"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.trim_end_matches("/10").parse().map_err(serde::de::Error::custom)
    }
}

#[test]
fn serdes_attributes_keep_working() {
    let event = |free_text: Option<&str>| Attributed {
        paid_amount: 5,
        who: "me".into(),
        free_text: free_text.map(Into::into),
        fee: 30,
        tags: Vec::new(),
    };
    assert_eq!(
        read::<Attributed>(1, r#"{"paidSum": 5, "BY": "me", "fee": "3/10", "branchName": "x"}"#),
        event(None)
    );
    let second = r#"{"paidAmount": 5, "BY": "me", "fee": "30/10", "freeText": "hm", "x": 9}"#;
    assert_eq!(read::<Attributed>(2, second), event(Some("hm")));
    let third = r#"{"paidAmount": 5, "WHO": "me", "fee": "30/10", "note": "hm"}"#;
    assert_eq!(read::<Attributed>(3, third), event(Some("hm")));
    // A field that did not exist yet is unknown, as an unknown field is today.
    for (version, json) in [
        (1, r#"{"paidSum": 5, "BY": "me", "fee": "3/10", "x": 1}"#),
        (2, r#"{"paidAmount": 5, "BY": "me", "fee": "30/10", "branchName": "x"}"#),
        (3, r#"{"paidAmount": 5, "WHO": "me", "fee": "30/10", "x": 9}"#),
    ] {
        assert!(Attributed::decode(version, json).is_err(), "{version}");
    }
    round_trip(&event(Some("hm")));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Place {
    city: String,
    #[serde(default)]
    street: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct Moved {
    #[serde(flatten)]
    place: Place,
    #[event(added(since = 2, default = Vec::new()))]
    items: Vec<String>,
}

#[test]
fn flattened_fields_and_nested_types_keep_working() {
    let place = || Place { city: "Rome".into(), street: Some("Via Appia".into()) };
    let first: Moved = read(1, r#"{"city": "Rome", "street": "Via Appia"}"#);
    assert_eq!(first, Moved { place: place(), items: Vec::new() });
    round_trip(&Moved { place: place(), items: vec!["lamp".into()] });
}

/// Tuple structs: an added field is one more element. A struct of one field is no array.
#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(version = 3)]
struct Weighed(
    #[event(changed(since = 3, from = u32, with = u64::from))] u64,
    #[event(added(since = 2, default = "kg".to_owned()))] String,
);

/// The added field is not the last one.
#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(version = 3)]
struct Shipped(
    #[event(added(since = 3, default = 7))] u8,
    String,
    #[event(added(since = 2, default = false))] bool,
    u64,
);

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(version = 2, removed(since = 2, name = "reason", ty = String))]
struct Closed;

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct Reopened {
    #[event(added(since = 2, default = None))]
    by: Option<String>,
}

#[test]
fn structs_of_every_shape_have_versions() {
    assert_eq!(read::<Weighed>(1, "7"), Weighed(7, "kg".into()));
    assert_eq!(read::<Weighed>(2, r#"[7, "lb"]"#), Weighed(7, "lb".into()));
    assert_eq!(read::<Weighed>(3, r#"[5000000000, "lb"]"#), Weighed(5_000_000_000, "lb".into()));
    round_trip(&Weighed(1, "t".into()));
    assert_eq!(read::<Shipped>(1, r#"["a", 5]"#), Shipped(7, "a".into(), false, 5));
    assert_eq!(read::<Shipped>(2, r#"["a", true, 5]"#), Shipped(7, "a".into(), true, 5));
    round_trip(&Shipped(1, "b".into(), true, 2));
    assert_eq!(read::<Closed>(1, r#"{"reason": "done"}"#), Closed);
    assert_eq!(read::<Closed>(2, "null"), Closed);
    round_trip(&Closed);
    for nothing in ["null", "{}"] {
        assert_eq!(read::<Reopened>(1, nothing), Reopened { by: None });
    }
    assert!(Reopened::decode(1, "{").is_err(), "what is no JSON is an error all the same");
    round_trip(&Reopened { by: Some("me".into()) });
}

/// A new struct in version 3, with a field added since. Version 2 has a history of its own.
#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "named", version = 4, previous(since = 3, from = NamedV2))]
struct Named {
    first: String,
    last: String,
    #[event(added(since = 4, default = false))]
    verified: bool,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "named", version = 2)]
struct NamedV2 {
    #[event(renamed(since = 2, from = "name"))]
    full_name: String,
}

impl TryFrom<NamedV2> for Named {
    type Error = String;

    fn try_from(old: NamedV2) -> Result<Self, String> {
        let (first, last) =
            old.full_name.split_once(' ').ok_or(format!("`{}` is one word", old.full_name))?;
        Ok(Self { first: first.into(), last: last.into(), verified: false })
    }
}

/// A new struct whose conversion cannot fail.
#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "summed", version = 2, previous = SummedV1)]
struct Summed {
    total: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "summed")]
struct SummedV1 {
    parts: Vec<u64>,
}

impl From<SummedV1> for Summed {
    fn from(old: SummedV1) -> Self {
        Self { total: old.parts.iter().sum() }
    }
}

#[test]
fn an_event_with_a_new_struct_reads_the_versions_of_its_previous_struct() {
    let ada = |verified| Named { first: "Ada".into(), last: "Lovelace".into(), verified };
    assert_eq!(read::<Named>(1, r#"{"name": "Ada Lovelace"}"#), ada(false));
    assert_eq!(read::<Named>(2, r#"{"full_name": "Ada Lovelace"}"#), ada(false));
    assert_eq!(read::<Named>(3, r#"{"first": "Ada", "last": "Lovelace"}"#), ada(false));
    assert_eq!(read::<Named>(4, r#"{"first": "Ada", "last": "Lovelace", "verified": true}"#), ada(true));
    round_trip(&ada(true));
    let error = Named::decode(1, r#"{"name": "Plato"}"#).unwrap_err();
    assert_eq!(chain(&error), "`named` version 1 can't be read as version 4: `Plato` is one word");
    assert_eq!(read::<Summed>(1, r#"{"parts": [1, 2, 3]}"#), Summed { total: 6 });
    round_trip(&Summed { total: 6 });
}

/// Names and types that must not confuse the declared changes:
/// * keywords, swapped names, types with the names of ours
/// * fields that may be missing, a flattened field that would take the removed one
#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[serde(rename_all = "PascalCase")]
#[event(version = 2, removed(since = 2, name = "Counter", ty = u8))]
struct Odd {
    #[event(renamed(since = 2, from = "type"))]
    kind: String,
    #[event(renamed(since = 2, from = "old-left"))]
    left: u8,
    #[event(renamed(since = 2, from = "left"))]
    right: u8,
    #[event(changed(since = 2, from = V1, with = |old: V1| u16::from(old.0)))]
    size: u16,
    #[serde(default)]
    #[event(changed(since = 2, from = Vec<u8>, with = |tags: Vec<u8>| tags.len()))]
    tags: usize,
    #[serde(flatten)]
    rest: BTreeMap<String, u32>,
}

#[derive(Debug, Deserialize)]
struct V1(u8);

#[test]
fn odd_names_and_types_do_not_get_in_the_way() {
    let first: Odd =
        read(1, r#"{"Type": "a", "old-left": 1, "Left": 2, "Size": 3, "Counter": 4, "more": 5}"#);
    assert_eq!(
        first,
        Odd { kind: "a".into(), left: 1, right: 2, size: 3, tags: 0, rest: [("more".to_owned(), 5)].into() }
    );
}

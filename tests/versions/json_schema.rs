//! The JSON Schema of each event version: what serde writes fits it, and what serde does not read does not.

use std::collections::{BTreeMap, HashMap, HashSet};

use factum::prelude::*;
use factum::{EventSet, Shape};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EventSchema)]
#[serde(rename_all = "camelCase")]
struct Place {
    street_name: String,
    #[serde(default)]
    zip: u32,
    #[serde(skip)]
    cached: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EventSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "kebab-case")]
enum Step {
    InTransit,
    #[serde(rename = "gone")]
    Lost,
    AtPlace(Place),
    Passed(u8, Option<bool>),
    Split {
        left_side: Box<Self>,
        right_side: Vec<Step>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EventSchema)]
#[serde(tag = "kind")]
enum Tagged {
    None,
    At(Place),
    By { name: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EventSchema)]
#[serde(tag = "kind", content = "value")]
enum Adjacent {
    None,
    Sum(i64),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EventSchema)]
#[serde(untagged)]
enum Untagged {
    Number(u16),
    Name { name: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EventSchema)]
struct Weight(f64);

/// What serde makes of it, its fields do not say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EventSchema)]
#[serde(into = "String", from = "String")]
struct Code {
    letters: String,
}

impl From<String> for Code {
    fn from(letters: String) -> Self {
        Self { letters }
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.letters
    }
}

/// Two structs of one name, and an alias.
mod other {
    use super::{Deserialize, EventSchema, Serialize};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EventSchema)]
    pub(super) struct Place(pub(super) [u8; 2]);

    pub(super) type Places = Vec<Place>;
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct Moved {
    #[event(renamed(since = 2, from = "to"))]
    #[serde(default)]
    target: Place,
    #[event(added(since = 2, default = Vec::new()))]
    steps: Vec<Step>,
    #[event(added(since = 2, default = None))]
    weight: Option<Weight>,
    #[event(changed(since = 2, from = u8, with = u64::from))]
    count: u64,
    tagged: (Tagged, Adjacent, Untagged),
    by_name: HashMap<String, BTreeMap<u8, HashSet<char>>>,
    places: other::Places,
    code: Code,
    at: Timestamp,
    unknown: std::path::PathBuf,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EventSchema)]
struct Rest {
    unit: (),
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
struct Weighed(Weight);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
struct Paired(i8, Place);

/// An array of one number, as serde writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EventSchema)]
struct Half(u8, #[serde(skip)] u8);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
struct Halved(Half, u8);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
struct Stopped;

impl Default for Place {
    fn default() -> Self {
        Self { street_name: "Main".into(), zip: 5, cached: false }
    }
}

fn moved() -> Moved {
    let split = Step::Split { left_side: Box::new(Step::Lost), right_side: vec![Step::InTransit] };
    Moved {
        target: Place::default(),
        steps: vec![
            Step::InTransit,
            Step::Lost,
            Step::AtPlace(Place::default()),
            Step::Passed(5, None),
            split,
        ],
        weight: Some(Weight(0.5)),
        count: u64::MAX,
        tagged: (Tagged::At(Place::default()), Adjacent::Sum(-5), Untagged::Number(7)),
        by_name: HashMap::from([("a".into(), BTreeMap::from([(1, HashSet::from(['x']))]))]),
        places: vec![other::Place([1, 2])],
        code: Code { letters: "ab".into() },
        at: Timestamp::from_micros(5),
        unknown: "path".into(),
        rest: Rest { unit: (), note: None },
    }
}

/// The schema of a version of `E`.
fn schema<E: Event>(version: u32) -> Value {
    let mut shapes: Vec<Shape> = Vec::new();
    E::shapes(&mut shapes);
    shapes.iter().find(|shape| shape.version == version).expect("the version").json_schema()
}

/// Whether a value fits a schema with the words that factum writes.
fn fits(schema: &Value, root: &Value, value: &Value) -> bool {
    let Value::Object(words) = schema else { panic!("no schema: {schema}") };
    words.iter().all(|(word, of)| {
        let list = || of.as_array().expect("a list");
        let size = || usize::try_from(of.as_u64().expect("a size")).expect("a size");
        match word.as_str() {
            "$schema" | "$comment" | "$defs" | "title" | "format" => true,
            "$ref" => {
                let pointer = of.as_str().expect("a reference").trim_start_matches('#');
                fits(root.pointer(pointer).expect("a definition"), root, value)
            }
            "type" => match of.as_str().expect("a type") {
                "null" => value.is_null(),
                "boolean" => value.is_boolean(),
                "integer" => value.is_i64() || value.is_u64(),
                "number" => value.is_number(),
                "string" => value.is_string(),
                "array" => value.is_array(),
                "object" => value.is_object(),
                other => panic!("no type: {other}"),
            },
            "minimum" => value.as_i64().zip(of.as_i64()).is_none_or(|(value, least)| value >= least),
            "maximum" => value.as_u64().zip(of.as_u64()).is_none_or(|(value, most)| value <= most),
            "minLength" => value.as_str().is_none_or(|text| text.chars().count() >= size()),
            "maxLength" => value.as_str().is_none_or(|text| text.chars().count() <= size()),
            "enum" => list().contains(value),
            "const" => of == value,
            "anyOf" => list().iter().any(|one| fits(one, root, value)),
            "allOf" => list().iter().all(|one| fits(one, root, value)),
            "required" => value.as_object().is_none_or(|object| {
                list().iter().all(|name| object.contains_key(name.as_str().expect("a name")))
            }),
            "properties" => value.as_object().is_none_or(|object| {
                object.iter().all(|(name, value)| of.get(name).is_none_or(|schema| fits(schema, root, value)))
            }),
            "additionalProperties" => {
                value.as_object().is_none_or(|object| object.values().all(|value| fits(of, root, value)))
            }
            "items" => value.as_array().is_none_or(|items| items.iter().all(|item| fits(of, root, item))),
            "prefixItems" => value
                .as_array()
                .is_none_or(|items| items.iter().zip(list()).all(|(item, schema)| fits(schema, root, item))),
            "minItems" => value.as_array().is_none_or(|items| items.len() >= size()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() <= size()),
            other => panic!("`{other}` is no word that factum writes"),
        }
    })
}

fn check<E: Event + Serialize>(event: &E) -> Value {
    let (schema, value) = (schema::<E>(E::VERSION), serde_json::to_value(event).expect("JSON"));
    assert!(fits(&schema, &schema, &value), "{value}\n{schema:#}");
    schema
}

#[test]
fn what_serde_writes_fits() {
    check(&moved());
    check(&Weighed(Weight(1.5)));
    check(&Paired(-128, Place::default()));
    check(&Halved(Half(1, 2), 3));
    check(&Stopped);
    for tagged in [Tagged::None, Tagged::By { name: "Ann".into() }] {
        for adjacent in [Adjacent::None, Adjacent::Sum(1)] {
            let untagged = Untagged::Name { name: "Ann".into() };
            let rest = Rest { unit: (), note: Some("note".into()) };
            check(&Moved { tagged: (tagged.clone(), adjacent, untagged), weight: None, rest, ..moved() });
        }
    }
}

/// Each change of an event that fits makes one that serde does not read. The schema knows all of them.
#[test]
fn what_serde_does_not_read_does_not_fit() {
    let schema = schema::<Moved>(2);
    let value = serde_json::to_value(moved()).expect("JSON");
    for (pointer, other) in [
        ("/target/streetName", json!(5)),
        ("/target/zip", json!(-1)),
        ("/steps/0", json!("inTransit")),
        ("/steps/2/at_place", json!({})),
        ("/steps/3/passed", json!([5])),
        ("/steps/3/passed/0", json!(256)),
        ("/steps/4/split/left-side", json!("nowhere")),
        ("/steps/4/split/right-side/0", json!({ "gone": 5 })),
        ("/weight", json!("heavy")),
        ("/count", json!(-1)),
        ("/tagged/0/kind", json!("at")),
        ("/tagged/0/streetName", json!(null)),
        ("/tagged/1/value", json!("five")),
        ("/tagged/2", json!(70000)),
        ("/by_name/a/1/0", json!("xy")),
        ("/places/0", json!([1, 2, 3])),
        ("/unit", json!(1)),
        ("/at", json!(5)),
    ] {
        let mut changed = value.clone();
        *changed.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} in {value:#}")) = other;
        assert!(serde_json::from_value::<Moved>(changed.clone()).is_err(), "{pointer}");
        assert!(!fits(&schema, &schema, &changed), "{pointer}");
    }
}

#[test]
fn a_field_is_required_if_serde_needs_it() {
    for version in [1, 2] {
        let schema = schema::<Moved>(version);
        let mut value = serde_json::to_value(moved()).expect("JSON");
        let object = value.as_object_mut().expect("an object");
        if version == 1 {
            let target = object.remove("target").expect("a place");
            object.extend([("to".to_owned(), target), ("count".to_owned(), json!(5))]);
        }
        for name in object.keys().cloned().collect::<Vec<_>>() {
            let mut without = object.clone();
            without.remove(&name);
            let without = Value::Object(without);
            let is_read = Moved::decode(version, &without.to_string()).is_ok();
            assert_eq!(fits(&schema, &schema, &without), is_read, "{name}, version {version}");
        }
    }
}

#[test]
fn a_schema_as_a_whole() {
    assert_eq!(
        schema::<Paired>(1),
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "paired version 1",
            "type": "array",
            "prefixItems": [{ "type": "integer", "minimum": -128, "maximum": 127 }, { "$ref": "#/$defs/Place" }],
            "minItems": 2,
            "maxItems": 2,
            "$defs": {
                "Place": {
                    "type": "object",
                    "properties": {
                        "streetName": { "type": "string" },
                        "zip": { "type": "integer", "minimum": 0, "maximum": u32::MAX },
                    },
                    "required": ["streetName"],
                },
            },
        })
    );
    let moved = schema::<Moved>(2);
    let definitions = moved["$defs"].as_object().expect("definitions");
    let names: Vec<_> = definitions.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["Adjacent", "Code", "Place", "Place2", "Rest", "Step", "Tagged", "Untagged", "Weight"]
    );
    assert_eq!(
        moved["properties"]["unknown"],
        json!({ "$comment": "a `PathBuf`, whose structure is not known" })
    );
}

/// The events of an aggregate have schemas by their shapes, which `events.lock` records.
#[test]
fn an_aggregate_has_the_schemas_of_all_its_events() {
    use crate::support::account::AccountEvent;

    let schemas: Vec<_> = AccountEvent::shapes().iter().map(Shape::json_schema).collect();
    assert_eq!(schemas.len(), 4);
    assert_eq!(schemas[3]["type"], "null");
}

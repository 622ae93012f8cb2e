//! Old versions of events with names that are rare: in Rust, in JSON, and in generated code.

#![deny(warnings)]

use factum::Event as _;
use factum::prelude::*;
use serde::{Deserialize, Serialize};

/// What a field was called in JSON need not be a name in Rust.
#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct Renamed {
    #[event(renamed(since = 2, from = "gen"))]
    a: u8,
    #[event(renamed(since = 2, from = "r#type"))]
    b: u8,
    #[event(renamed(since = 2, from = "type"))]
    c: u8,
    #[event(renamed(since = 2, from = " x"))]
    d: u8,
    #[event(renamed(since = 2, from = "x // y"))]
    e: u8,
    #[event(renamed(since = 2, from = "/* */ x"))]
    f: u8,
    #[event(renamed(since = 2, from = "crate"))]
    g: u8,
    #[event(renamed(since = 2, from = "\"'"))]
    h: u8,
    __a: u8,
    r#fn: u8,
}

/// Two fields swap their names.
#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(version = 2)]
#[serde(rename_all = "camelCase")]
struct Swapped {
    #[event(renamed(since = 2, from = "the_other"))]
    the_one: u8,
    #[event(renamed(since = 2, from = "theOne"))]
    the_other: u8,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(version = 2, removed(since = 2, name = "left", ty = Option<Box<Self>>), removed(since = 2, name = "right", ty = u8))]
#[serde(deny_unknown_fields)]
struct Removed {
    _gone0: u8,
    _gone1: u8,
    _gone1_: u8,
}

/// An event that contains itself.
#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(version = 3)]
struct Nested {
    #[event(changed(since = 2, from = Option<Box<Self>>, with = |old: Option<Box<Self>>| old.into_iter().collect()))]
    inner: Vec<Box<Self>>,
    #[event(added(since = 3, default = 7))]
    depth: u8,
}

fn read<E: factum::Event>(version: u32, json: &str) -> E {
    E::decode(version, json).unwrap()
}

fn main() {
    let json =
        r#"{"gen":1,"r#type":2,"type":3," x":4,"x // y":5,"/* */ x":6,"crate":7,"\"'":8,"__a":9,"fn":10}"#;
    let expected = Renamed { a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8, __a: 9, r#fn: 10 };
    assert_eq!(read::<Renamed>(1, json), expected);
    let swapped = read::<Swapped>(1, r#"{"theOther":1,"theOne":2}"#);
    assert_eq!(swapped, Swapped { the_one: 1, the_other: 2 });
    let removed = read::<Removed>(1, r#"{"_gone0":1,"_gone1":2,"_gone1_":3,"left":null,"right":4}"#);
    assert_eq!(removed, Removed { _gone0: 1, _gone1: 2, _gone1_: 3 });
    let inner = r#"{"inner":[],"depth":1}"#;
    let nested = read::<Nested>(1, &format!(r#"{{"inner":{inner}}}"#));
    assert_eq!(nested, Nested { inner: vec![Box::new(Nested { inner: vec![], depth: 1 })], depth: 7 });
    assert_eq!(Nested::VERSION, 3);
}

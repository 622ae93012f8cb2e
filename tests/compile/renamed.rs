//! Messages of a crate whose `Cargo.toml` renames factum.

use crate::locked::Crate;

const DOOR: &str = r"
use es::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(crate = es)]
pub struct Opened;

#[derive(Debug, Command)]
#[command(crate = es)]
pub struct Open(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(crate = es, id = String, commands(Open), events(Opened))]
pub struct Door;

impl Door {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[es::apply]
    fn opened(&mut self, _: &Opened) {}
}
";

#[test]
fn forgotten_handlers_are_one_error() {
    let (success, text) = Crate::renamed("renamed", DOOR, "es").cargo("check");
    assert!(!success, "{text}");
    let errors: Vec<_> = text.lines().filter(|line| line.starts_with("error")).collect();
    assert_eq!(errors.len(), 2, "one error, and one that the crate could not compile: {text}");
    assert!(errors[0].contains("write `#[handlers(crate = es)]` above `impl Door`"), "{text}");
}

const WITHOUT_KEYS: &str = r"
use es::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
pub struct Opened;

#[derive(Debug, Command)]
pub struct Open(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Open), events(Opened))]
pub struct Door;

#[handlers]
impl Door {
    #[execute]
    fn open(&self, _: Open) -> Opened {
        Opened
    }

    #[es::apply]
    fn opened(&mut self, _: &Opened) {}
}
";

#[test]
fn the_manifest_says_the_name() {
    let (success, text) = Crate::renamed("renamed_without_keys", WITHOUT_KEYS, "es").cargo("check");
    assert!(success, "{text}");
}

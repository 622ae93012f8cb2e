//! `impl` blocks and names that could confuse a parser or a macro.

#![deny(warnings)]
#![allow(dead_code)]

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, AggregateId)]
struct Id(u64);

#[derive(Debug, Command)]
struct Do(Id);

#[derive(Debug, Command)]
struct Also {
    #[command(id)]
    id: Id,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct Done {
    #[event(added(since = 2, default = 7))]
    by: u8,
    at: u8,
}

/// An event with the name of a common type.
#[derive(Debug, Serialize, Deserialize, Event)]
struct Result;

struct Holder<const N: usize>;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = Id, services = Box<dyn Fn() -> u8 + Send + Sync>, commands(Do, Also), events(Done, Result))]
struct State;

macro_rules! helper {
    ($($tokens:tt)*) => { $($tokens)* };
}

#[handlers]
impl State
where
    u8: Copy,
{
    const F: fn(u8) -> u8 = |it| it;
    const SIZE: usize = { size_of::<fn()>() };
    helper! { fn helped(&self) {} }
    helper!(fn helped_too(&self) {});

    /// Documented.
    #[execute]
    #[must_use]
    pub(crate) fn r#do(&self, self::Do(_): self::Do) -> Result {
        Result
    }

    #[execute]
    fn also(self: &Self, Also { id: Id(_) }: Also, now: &Box<dyn Fn() -> u8 + Send + Sync>) -> Option<Done> {
        Some(Done { by: 0, at: now() })
    }

    const fn holder() -> Holder<{ 1 + 1 }> {
        Holder
    }

    #[apply]
    fn done<'e>(&mut self, _: &'e Done) {
        let _ = Self::holder();
    }
}

mod elsewhere {
    use super::{Result, State};

    #[factum::handlers]
    impl State {
        #[factum::apply]
        fn result(&mut self, _: &Result) {}
    }
}

// Values that are not simple expressions, with commas, angles and `?` of their own.
#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 3)]
struct Planned {
    #[event(added(since = 2, default = 0..5))]
    range: std::ops::Range<u8>,
    #[event(added(since = 2, default = (|a: u8, b: u8| a << b)(1, 2)))]
    closure: u8,
    #[event(added(since = 2, default = if 1 < 2 { <u8 as Default>::default() } else { 4 } + 5))]
    choice: u8,
    #[event(changed(since = 2, from = String, try_with = |old: String| -> std::result::Result<u8, std::num::ParseIntError> { Ok(old.parse::<u8>()?) }))]
    tried: u8,
    #[event(changed(since = 3, from = Vec<u8>, with = move |old: Vec<u8>| match &*old { [] => 1, _ => 2 }))]
    matched: u8,
}

fn main() {}

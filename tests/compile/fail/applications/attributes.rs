//! What the attributes of an application and its fields may say.

use factum::prelude::*;

#[derive(Application)]
struct Nothing;

#[derive(Application)]
#[application(aggregates())]
struct Empty;

#[derive(Application)]
#[application(aggregates(Door, Door), name = "a house", jason)]
struct House {
    plain: u8,
    #[services(Door)]
    #[projection]
    both: u8,
    #[services(Bell)]
    of_no_aggregate: u8,
    #[services(Door)]
    clock: u8,
    #[services(Door)]
    twice: u16,
    #[services]
    of_none: u8,
    #[projection(inline, workers = 2)]
    inline: u32,
    #[reaction(inline)]
    reaction: u64,
    #[reaction(retry(1, 2), store = clock)]
    retry: i8,
    #[reaction(delay = Duration::ZERO)]
    delay: i16,
    #[reaction]
    again: i16,
    #[store(path)]
    store: u8,
}

#[derive(Application)]
#[application(aggregates(Door))]
enum Either {
    House,
}

#[derive(Application)]
#[application(aggregates(Door))]
struct Generic<T>(#[services(Door)] T);

#[derive(Application)]
#[application(aggregates(Door))]
struct Numbered(#[reaction(store = 1)] i32, #[services(Door)] i64);

fn main() {}
// errors: 26

//! The aggregates of an application are aggregates.

use factum::prelude::*;

struct Opened;

#[derive(Application)]
#[application(aggregates(Opened))]
struct House;

fn main() {}
// errors: 1

//! The comparison of ways to write, all on the layout of today.

use std::error::Error;

use crate::sizes::Sizes;

mod group;
mod log;
mod single;

pub(crate) fn compare(sizes: &Sizes) -> Result<(), Box<dyn Error>> {
    single::compare(sizes)?;
    group::compare(sizes)?;
    log::compare(sizes)
}

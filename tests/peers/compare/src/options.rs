//! The options of the command line.

use std::str::FromStr;

use crate::works::Row;

pub(crate) const USAGE: &str = "usage: compare-peers [--rounds 5] [--only <work>] [--scale 1.0]";

pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) scale: f64,
    only: Option<String>,
}

impl Options {
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { rounds: 5, scale: 1.0, only: None };
        while let Some(option) = words.next() {
            let value = words.next().ok_or_else(|| format!("`{option}` needs a value"))?;
            match option.as_str() {
                "--rounds" => options.rounds = parsed(&option, &value)?,
                "--scale" => options.scale = parsed(&option, &value)?,
                "--only" => options.only = Some(value),
                _ => return Err(format!("`{option}` is unknown")),
            }
        }
        if options.rounds == 0 || !options.scale.is_finite() || options.scale <= 0.0 {
            return Err("rounds and scale are above zero".into());
        }
        Ok(options)
    }

    /// The name of a work selects all its rows, the name of a row selects that row.
    pub(crate) fn wants(&self, row: &Row) -> bool {
        self.only.as_deref().is_none_or(|only| only == row.work || only == row.name)
    }
}

fn parsed<T: FromStr>(option: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("`{value}` is no value for `{option}`"))
}

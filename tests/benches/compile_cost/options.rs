//! What was asked for.

use std::error::Error;
use std::path::PathBuf;

use crate::domain::Shape;

pub(crate) struct Options {
    pub(crate) sizes: Vec<usize>,
    /// Odd, so that one of them is the median.
    rounds: u32,
    pub(crate) shape: Shape,
    /// Whether factum itself is built, too.
    pub(crate) cold: bool,
    /// Whether rustc's instructions are counted, for which valgrind takes minutes.
    pub(crate) instructions: bool,
    /// Where the crates are written to, and nothing else is done: for a look at them with other tools.
    pub(crate) write: Option<PathBuf>,
    /// Enough was done for ratios to mean something.
    pub(crate) is_telling: bool,
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        // `cargo test --benches` says nothing, and wants to see that everything runs.
        let mut options = Self {
            sizes: vec![10],
            rounds: 1,
            shape: Shape::Many,
            cold: false,
            instructions: false,
            write: None,
            is_telling: false,
        };
        let (mut sizes, mut rounds) = (vec![10, 50, 200], 5);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("`{argument}` needs a value"));
            match argument.as_str() {
                "--bench" => options.is_telling = true,
                "--cold" => options.cold = true,
                "--instructions" => options.instructions = true,
                "--write" => options.write = Some(value()?.into()),
                "--rounds" => rounds = value()?.parse()?,
                "--sizes" => sizes = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?,
                "--shape" => {
                    options.shape = match value()?.as_str() {
                        "many" => Shape::Many,
                        "wide" => Shape::Wide,
                        other => return Err(format!("`{other}` is neither `many` nor `wide`").into()),
                    }
                }
                other => return Err(format!("`{other}` is no option of this benchmark").into()),
            }
        }
        if sizes.contains(&0) || rounds == 0 {
            return Err("there is nothing to measure".into());
        }
        if options.is_telling {
            (options.sizes, options.rounds) = (sizes, rounds);
        }
        Ok(options)
    }

    /// Small crates are compiled more often: what a neighbour on the machine does is as long for them as for others.
    pub(crate) fn rounds_at(&self, size: usize) -> u32 {
        match size {
            _ if !self.is_telling => self.rounds,
            ..100 => self.rounds * 3,
            _ => self.rounds,
        }
    }
}

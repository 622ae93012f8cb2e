//! The options of the command line.

use std::error::Error;
use std::path::PathBuf;

use crate::domain::Shape;

/// The process of an application is one of three aggregates.
const SMALLEST_APP: usize = 60;

pub(crate) struct Options {
    pub(crate) sizes: Vec<usize>,
    /// An odd number has a median.
    rounds: u32,
    pub(crate) shape: Shape,
    /// Whether factum itself is built too.
    pub(crate) cold: bool,
    /// Whether only rustc's instructions are counted, which takes valgrind some minutes.
    pub(crate) instructions: bool,
    /// A folder for the crates. With it, the benchmark only writes them, for other tools to read.
    pub(crate) write: Option<PathBuf>,
    /// Whether there are enough rounds for meaningful ratios.
    pub(crate) is_meaningful: bool,
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        // `cargo test --benches` gives no option, and needs only to run everything once.
        let mut options = Self {
            sizes: vec![10],
            rounds: 1,
            shape: Shape::Many,
            cold: false,
            instructions: false,
            write: None,
            is_meaningful: false,
        };
        let (mut sizes, mut rounds) = (None, 5);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("`{argument}` needs a value"));
            match argument.as_str() {
                "--bench" => options.is_meaningful = true,
                "--cold" => options.cold = true,
                "--instructions" => options.instructions = true,
                "--write" => options.write = Some(value()?.into()),
                "--rounds" => rounds = value()?.parse()?,
                "--sizes" => {
                    sizes = Some(value()?.split(',').map(str::parse).collect::<Result<Vec<_>, _>>()?);
                }
                "--shape" => {
                    options.shape = match value()?.as_str() {
                        "many" => Shape::Many,
                        "wide" => Shape::Wide,
                        "app" => Shape::App,
                        other => return Err(format!("`{other}` is none of `many`, `wide` and `app`").into()),
                    }
                }
                other => return Err(format!("`{other}` is no option of this benchmark").into()),
            }
        }
        let is_app = options.shape == Shape::App;
        let sizes = sizes.unwrap_or(if is_app { vec![200] } else { vec![10, 50, 200] });
        let smallest = if is_app { SMALLEST_APP } else { 1 };
        if sizes.iter().any(|&size| size < smallest) || rounds == 0 {
            return Err("there is nothing to measure".into());
        }
        if options.is_meaningful {
            (options.sizes, options.rounds) = (sizes, rounds);
        }
        Ok(options)
    }

    /// Small crates are compiled more often, because a disturbance lasts as long for them as for large ones.
    pub(crate) fn rounds_at(&self, size: usize) -> u32 {
        match size {
            _ if !self.is_meaningful => self.rounds,
            ..100 => self.rounds * 3,
            _ => self.rounds,
        }
    }
}

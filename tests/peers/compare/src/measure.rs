//! Runs the arms in turns and collects their rates.

use std::fs;
use std::path::{Path, PathBuf};

use crate::arms::{self, ARMS, Arm, Kind, Program};
use crate::shuffle::Shuffle;
use crate::stats;
use crate::works::{Counts, Row};

/// The rates of each arm in one row's work, one for each round.
pub(crate) struct Results {
    arms: [Outcome; ARMS.len()],
    rounds: usize,
}

#[derive(Clone)]
pub(crate) enum Outcome {
    Missing,
    /// The arm reports that it cannot do this work.
    Unable,
    Failed,
    Rates(Vec<f64>),
}

enum Report {
    Rate(f64),
    Unable,
}

impl Results {
    pub(crate) fn of(&self, arm: &Arm) -> &Outcome {
        &self.arms[arm.index()]
    }

    pub(crate) fn failed(&self) -> bool {
        self.arms.iter().any(|outcome| matches!(outcome, Outcome::Failed))
    }

    /// The median of the ratios of two arms' rates, round by round: a slow second of the machine affects
    /// both.
    pub(crate) fn ratio(&self, arm: &Arm, to: Kind) -> Option<f64> {
        let Outcome::Rates(rates) = self.of(arm) else { return None };
        let ratios: Option<Vec<f64>> =
            (0..self.rounds).map(|round| Some(rates[round] / self.fastest(to, round)?)).collect();
        Some(stats::median(&ratios?))
    }

    fn fastest(&self, kind: Kind, round: usize) -> Option<f64> {
        let rates = ARMS.iter().filter(|arm| arm.kind == kind).filter_map(|arm| match self.of(arm) {
            Outcome::Rates(rates) => Some(rates[round]),
            _ => None,
        });
        rates.reduce(f64::max)
    }
}

/// Runs each arm once in each round, in a new order each time.
pub(crate) fn row(
    row: &Row,
    counts: &Counts,
    programs: &[Program],
    rounds: usize,
    scratch: &Scratch,
    shuffle: &mut Shuffle,
) -> Results {
    let mut results = Results { arms: [const { Outcome::Missing }; ARMS.len()], rounds };
    let mut order: Vec<&Program> = programs.iter().collect();
    for program in programs {
        results.arms[program.arm.index()] = Outcome::Rates(Vec::with_capacity(rounds));
    }
    for round in 1..=rounds {
        eprintln!("{}: round {round} of {rounds}", row.name);
        shuffle.apply(&mut order);
        for program in &order {
            let outcome = &mut results.arms[program.arm.index()];
            let Outcome::Rates(rates) = outcome else { continue };
            match run(program, row, counts.of(program.arm), scratch) {
                Ok(Report::Rate(rate)) => rates.push(rate),
                Ok(Report::Unable) => *outcome = Outcome::Unable,
                Err(problem) => {
                    eprintln!("{}: {} failed: {problem}", row.name, program.arm.name);
                    *outcome = Outcome::Failed;
                }
            }
        }
    }
    results
}

fn run(program: &Program, row: &Row, count: usize, scratch: &Scratch) -> Result<Report, String> {
    let folder = scratch.empty_folder();
    let output = program
        .command()
        .args([row.work, row.synchronous, &count.to_string()])
        .arg(&folder)
        .output()
        .map_err(|error| format!("it does not start: {error}"))?;
    fs::remove_dir_all(&folder).map_err(|error| format!("its folder cannot be removed: {error}"))?;
    if !output.status.success() {
        return Err(format!("{}\n{}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    reported_in(&String::from_utf8_lossy(&output.stdout))
}

fn reported_in(output: &str) -> Result<Report, String> {
    let rate = output.lines().find_map(|line| line.strip_prefix("rate "));
    match rate.map(str::trim) {
        Some("-") => Ok(Report::Unable),
        Some(number) => match number.parse::<f64>() {
            Ok(rate) if rate > 0.0 && rate.is_finite() => Ok(Report::Rate(rate)),
            _ => Err(format!("its rate is no number above zero: {number}")),
        },
        None => Err(format!("it printed no rate: {output:?}")),
    }
}

/// A folder for databases, on the disk of the build: a folder in memory has no `fsync` to wait for.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        let folder = arms::target_folder().join(format!("compare-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("the target folder can be written to");
        Self(folder)
    }

    fn empty_folder(&self) -> PathBuf {
        let folder: &Path = &self.0.join("run");
        // A failed run may have left its files.
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).expect("the target folder can be written to");
        folder.to_path_buf()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

//! Rounds of compilations: in each step, all arms do the same work one right after the other.

use std::error::Error;

use crate::arms::Arm;
use crate::clock::Time;
use crate::median::median;
use crate::rustc::Rustc;

/// The compilations that are timed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Check,
    /// After an edit of one line, with the files that `Check` has left.
    CheckEdited,
    Debug,
    /// After an edit of one line, with the files that `Debug` has left.
    DebugEdited,
    Release,
}

impl Step {
    /// In order: each edit follows the step whose files it needs.
    pub(crate) const ALL: [Self; 5] =
        [Self::Check, Self::CheckEdited, Self::Debug, Self::DebugEdited, Self::Release];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::CheckEdited => "edit-check",
            Self::Debug => "debug",
            Self::DebugEdited => "edit-debug",
            Self::Release => "release",
        }
    }

    /// Repetitions in a round: a check is short, and disturbances are not.
    fn repeats(self) -> u32 {
        match self {
            Self::Check => 3,
            _ => 1,
        }
    }

    fn time(self, rustc: &Rustc<'_>, arm: Arm, size: usize, edit: u32) -> Result<Time, Box<dyn Error>> {
        match self {
            Self::Check => rustc.clean(&["check"], arm, size, edit),
            Self::CheckEdited => rustc.again(&["check"], arm, size, edit),
            Self::Debug => rustc.clean(&["build"], arm, size, edit),
            Self::DebugEdited => rustc.again(&["build"], arm, size, edit),
            Self::Release => rustc.clean(&["build", "--release"], arm, size, edit),
        }
    }
}

/// The times of one arm at one size, in order.
#[derive(Default)]
pub(crate) struct Times(Vec<(Step, Time)>);

impl Times {
    pub(crate) fn cpu(&self, step: Step) -> f64 {
        median(self.of(step).map(|time| time.cpu))
    }

    pub(crate) fn wall(&self, step: Step) -> f64 {
        median(self.of(step).map(|time| time.wall))
    }

    /// The median of the ratios to the neighbouring times of `other`. A shared machine is fast or slow for
    /// seconds or minutes, and so for both neighbours.
    pub(crate) fn ratio(&self, other: &Self, step: Step) -> f64 {
        median(self.of(step).zip(other.of(step)).map(|(ours, theirs)| ours.cpu / theirs.cpu))
    }

    fn of(&self, step: Step) -> impl Iterator<Item = &Time> {
        self.0.iter().filter(move |(of, _)| *of == step).map(|(_, time)| time)
    }
}

/// All arms at one size, in the order of [`Arm::ALL`].
pub(crate) fn measure(rustc: &Rustc<'_>, size: usize, rounds: u32) -> Result<Vec<Times>, Box<dyn Error>> {
    let mut all: Vec<Times> = Arm::ALL.map(|_| Times::default()).into();
    let steps = (0..rounds).flat_map(|round| {
        Step::ALL
            .into_iter()
            .flat_map(move |step| (0..step.repeats()).map(move |repeat| (step, round + repeat)))
    });
    for (edit, (step, turn)) in (1..).zip(steps) {
        // An edit must find its arm's own files, which no other arm touches.
        let mut arms: Vec<_> = Arm::ALL.into_iter().zip(&mut all).collect();
        // No arm is the last one in every turn.
        if turn % 2 == 1 {
            arms.reverse();
        }
        for (arm, times) in arms {
            times.0.push((step, step.time(rustc, arm, size, edit)?));
        }
    }
    Ok(all)
}

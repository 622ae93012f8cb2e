//! Rounds of compilations: in each, every arm does the same right after the other.

use std::error::Error;

use crate::arms::Arm;
use crate::clock::{Time, least};
use crate::rustc::Rustc;

/// What is timed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Check,
    /// After an edit of one line, with what `Check` has left.
    CheckEdited,
    Debug,
    /// After an edit of one line, with what `Debug` has left.
    DebugEdited,
    Release,
}

impl Step {
    /// In the order in which they come: an edit right after what it edits.
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

    fn time(self, rustc: &Rustc<'_>, arm: Arm, size: usize, edit: u32) -> Result<Time, Box<dyn Error>> {
        match self {
            Self::Check => rustc.anew(&["check"], arm, size, edit),
            Self::CheckEdited => rustc.again(&["check"], arm, size, edit),
            Self::Debug => rustc.anew(&["build"], arm, size, edit),
            Self::DebugEdited => rustc.again(&["build"], arm, size, edit),
            Self::Release => rustc.anew(&["build", "--release"], arm, size, edit),
        }
    }
}

/// The times of one arm at one size.
#[derive(Default)]
pub(crate) struct Times(Vec<(Step, Time)>);

impl Times {
    pub(crate) fn cpu(&self, step: Step) -> f64 {
        self.least(step, |time| time.cpu)
    }

    pub(crate) fn wall(&self, step: Step) -> f64 {
        self.least(step, |time| time.wall)
    }

    fn least(&self, step: Step, of: fn(&Time) -> f64) -> f64 {
        least(self.0.iter().filter(|(of, _)| *of == step).map(|(_, time)| of(time)))
    }
}

/// All arms at one size, in the order of [`Arm::ALL`].
pub(crate) fn measure(rustc: &Rustc<'_>, size: usize, rounds: u32) -> Result<Vec<Times>, Box<dyn Error>> {
    let mut all: Vec<Times> = Arm::ALL.map(|_| Times::default()).into();
    let mut edit = 0;
    for _ in 0..rounds {
        for step in Step::ALL {
            edit += 1;
            // Steps that follow one another must find each arm's own remains, which nothing but that arm touches.
            for (arm, times) in Arm::ALL.into_iter().zip(&mut all) {
                times.0.push((step, step.time(rustc, arm, size, edit)?));
            }
        }
    }
    Ok(all)
}

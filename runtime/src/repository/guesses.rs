//! Whether a command may be decided before its stream is read.
//!
//! A read costs a sixth of a command, and the append compares the state with the stream in any case. If the state is
//! an old one, the command is decided twice. So each kind of guess pauses after a wrong one.

use std::sync::atomic::{AtomicU32, Ordering};

/// How many commands read first, after a hot aggregate has had events of another process.
const PAUSE: u32 = 64;

/// How many streams in a row that were not in memory must be new, before the next one is taken for new.
const NEW_IN_A_ROW: u32 = 16;

#[derive(Debug, Default)]
pub(super) struct Guesses {
    /// How many more commands read a hot aggregate first.
    pause: AtomicU32,
    /// How many of the last streams that were not in memory were new, without one in between that was not.
    new_in_a_row: AtomicU32,
}

// The numbers only steer the speed: a race between two threads does no harm.
impl Guesses {
    /// Whether a state in memory is likely to be current.
    pub(super) fn is_hot_current(&self) -> bool {
        self.pause.load(Ordering::Relaxed) == 0
    }

    /// Whether a stream that is not in memory is likely to be new.
    pub(super) fn is_missed_new(&self) -> bool {
        self.new_in_a_row.load(Ordering::Relaxed) >= NEW_IN_A_ROW
    }

    /// A command has read its stream.
    pub(super) fn has_read(&self) {
        let pause = self.pause.load(Ordering::Relaxed);
        if pause > 0 {
            self.pause.store(pause - 1, Ordering::Relaxed);
        }
    }

    /// A command has read a stream that was not in memory.
    pub(super) fn has_missed(&self, is_new: bool) {
        let new = if is_new { self.new_in_a_row.load(Ordering::Relaxed).saturating_add(1) } else { 0 };
        self.new_in_a_row.store(new, Ordering::Relaxed);
    }

    /// A guess was wrong: of a stream that was not in memory, if `of_missed`.
    pub(super) fn was_wrong(&self, of_missed: bool) {
        let (number, value) = if of_missed { (&self.new_in_a_row, 0) } else { (&self.pause, PAUSE) };
        number.store(value, Ordering::Relaxed);
    }
}

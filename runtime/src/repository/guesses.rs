//! Whether a command may be decided on a state in memory before its stream is read.
//!
//! A read costs a sixth of a command, and the append compares the state with the stream in any case. If the state is
//! an old one, the command is decided twice. So there is a pause after a wrong guess.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::store::event_store::EventStore;

/// How many commands read first, after a hot aggregate has had events of another writer.
const PAUSE: u32 = 64;

#[derive(Debug, Default)]
pub(super) struct Guesses {
    /// How many more commands read first.
    pause: AtomicU32,
    /// Whether the store compares states: that is a part of its queue.
    compares: OnceLock<bool>,
}

// The number only steers the speed: a race between two threads does no harm.
impl Guesses {
    /// Whether a state in memory is likely to be current, and the store notices if it is not.
    pub(super) fn is_current<S: EventStore + ?Sized>(&self, store: &S) -> bool {
        self.pause.load(Ordering::Relaxed) == 0
            && *self.compares.get_or_init(|| store.queue(&[], &[]).is_some())
    }

    /// A command has read its stream.
    pub(super) fn has_read(&self) {
        let pause = self.pause.load(Ordering::Relaxed);
        if pause > 0 {
            self.pause.store(pause - 1, Ordering::Relaxed);
        }
    }

    /// A guess was wrong.
    pub(super) fn was_wrong(&self) {
        self.pause.store(PAUSE, Ordering::Relaxed);
    }
}

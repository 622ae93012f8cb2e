//! An aggregate that panics on request.

use std::cell::Cell;

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
pub(crate) struct Changed {
    panic: bool,
}

#[derive(Debug, Command)]
pub(crate) struct Change {
    #[command(id)]
    what: String,
    panic: bool,
}

thread_local! {
    /// Whether the snapshot policy panics, in this thread.
    pub(crate) static DUE_PANICS: Cell<bool> = const { Cell::new(false) };
}

/// A state whose `apply` and whose snapshot policy can panic.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Aggregate)]
#[aggregate(id = String, commands(Change), events(Changed), snapshot(when = Self::is_due))]
pub(crate) struct Fragile {
    pub(crate) begun: u64,
    pub(crate) ended: u64,
}

#[handlers]
impl Fragile {
    #[execute]
    fn change(&self, command: Change) -> Changed {
        Changed { panic: command.panic }
    }

    #[apply]
    fn changed(&mut self, event: &Changed) {
        self.begun += 1;
        assert!(!event.panic, "in the middle of a change");
        self.ended += 1;
    }

    fn is_due(&self) -> bool {
        assert!(!DUE_PANICS.get(), "when asked whether a snapshot is due");
        self.ended.is_multiple_of(2)
    }
}

pub(crate) fn change(panic: bool) -> Change {
    Change { what: "it".into(), panic }
}

//! Repositories: load an aggregate, decide on a command, append the events.

pub(crate) mod back_off;
pub(crate) mod decide;
pub(crate) mod encode;
pub(crate) mod error;
pub(crate) mod execute_options;
pub(crate) mod guesses;
pub(crate) mod history;
pub(crate) mod in_tasks;
pub(crate) mod known_key;
pub(crate) mod lanes;
pub(crate) mod loading;
pub(crate) mod measured;
pub(crate) mod moment;
pub(crate) mod outcome;
pub(crate) mod read_ahead;
pub(crate) mod reads;
pub(crate) mod replay;
#[expect(clippy::module_inception, reason = "the repository is one of the files about commands")]
pub(crate) mod repository;
pub(crate) mod snapshots;
pub(crate) mod state_cache;
pub(crate) mod statistics;
pub(crate) mod submit;
pub(crate) mod timer_options;
pub(crate) mod unit_of_work;
pub(crate) mod waits;

//! The core of a command, without I/O: a state and a command give a draft of events, or a refusal.
//!
//! A driver loads the state before and appends the draft after: [`Repository`](crate::Repository) for one
//! command, [`UnitOfWork`](crate::UnitOfWork) for several. Both keep one order: look up the idempotency key,
//! load, decide, append, remember the state.

use crate::domain::aggregate::Aggregate;
use crate::domain::command_set::CommandSet as _;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::repository::encode::Encoded;
use crate::repository::error::ExecuteError;
use crate::repository::execute_options::CommandOptions;
use crate::repository::replay::{Replay, make_unique};
use crate::store::append::ExpectedVersion;
use crate::store::error::Conflict;
use crate::trace;

/// The events that a command leads to, encoded and applied, but not stored yet.
#[derive(Debug)]
pub(crate) struct Draft<A: Aggregate> {
    /// The state after the events, at the version and position before them.
    pub(crate) replay: Replay<A>,
    pub(crate) encoded: Encoded<A::Event>,
}

/// Decides on a command to the aggregate at `replay`.
///
/// The events are applied before they are stored, to a state that only the draft holds. A stored event whose
/// `apply` panics would make the aggregate impossible to load.
pub(crate) fn decide<A: Aggregate>(
    stream: &StreamName,
    mut replay: Replay<A>,
    command: A::Command,
    options: &CommandOptions<'_, A::Services>,
    services: &A::Services,
) -> Result<Draft<A>, ExecuteError<A::Error>> {
    check_expected(stream, options.expected, replay.version)?;
    let services = options.services.unwrap_or(services);
    let handler = command.name();
    let events = trace::handler("command", handler, || replay.state.execute(command, services))
        .map_err(ExecuteError::Refused)?;
    let mut encoded = Encoded::new();
    if !events.is_empty() {
        encoded
            .add(&events, &options.metadata(), options.recorded_at.unwrap_or_else(Timestamp::now))
            .map_err(|source| ExecuteError::Encode { stream: stream.clone(), source })?;
        let state = make_unique(&mut replay.state);
        encoded.events().iter().for_each(|event| state.apply(event));
    }
    Ok(Draft { replay, encoded })
}

/// Fails if the aggregate is not at the version that the caller expects.
fn check_expected(stream: &StreamName, expected: Option<u64>, actual: u64) -> Result<(), Conflict> {
    match expected {
        Some(expected) if expected != actual => {
            Err(Conflict::new(stream.clone(), ExpectedVersion::Exactly(expected), actual))
        }
        _ => Ok(()),
    }
}

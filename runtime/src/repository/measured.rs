//! The measure of a command: its span, and what has become of it.

use std::pin::Pin;

use crate::domain::aggregate::Aggregate;
use crate::domain::command_set::CommandSet as _;
use crate::domain::stream_name::StreamName;
use crate::repository::error::ExecuteError;
use crate::repository::outcome::Executed;
use crate::telemetry::measure;
use crate::telemetry::measure::Outcome;
use crate::trace::Span;

/// The span of a command.
#[inline]
pub(crate) fn span_of<A: Aggregate>(command: &A::Command) -> Span {
    Span::command(A::CATEGORY, command.name(), || StreamName::of::<A>(command.aggregate_id()))
}

/// Carries out a command inside of its span, and counts it. The caller has pinned `work`.
#[inline]
pub(crate) async fn measured<A: Aggregate>(
    span: Span,
    work: Pin<&mut impl Future<Output = Result<Executed<A>, ExecuteError<A::Error>>>>,
) -> Result<Executed<A>, ExecuteError<A::Error>> {
    measure::command(span, work, outcome).await
}

/// What has become of a command, and the number of its events.
fn outcome<A: Aggregate>(result: &Result<Executed<A>, ExecuteError<A::Error>>) -> (Outcome, u64) {
    let outcome = match result {
        Ok(done) if done.is_repeated() => Outcome::Repeated,
        Ok(done) if done.is_unchanged() => Outcome::Unchanged,
        Ok(_) => Outcome::Done,
        Err(ExecuteError::Refused(_) | ExecuteError::Invalid(_) | ExecuteError::Denied(_)) => {
            Outcome::Refused
        }
        Err(ExecuteError::Conflict(_)) => Outcome::Conflict,
        Err(_) => Outcome::Failed,
    };
    (outcome, result.as_ref().map_or(0, |done| done.events().len() as u64))
}

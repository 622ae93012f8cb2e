//! What is asked of the requests of a group, and the answers that need no server.

use crate::domain::stream_name::StreamName;
use crate::store::error::{AppendError, StoreError};
use crate::store::group_commit::{Answer, Request};

/// The streams of the requests that were stored.
pub(super) fn changed_streams<'r>(
    requests: &'r [Request<'r>],
    answers: &'r [Answer],
) -> impl Iterator<Item = &'r StreamName> {
    let stored = requests.iter().zip(answers).filter(|(_, answer)| answer.is_ok());
    stored.flat_map(|(request, _)| request.changed_streams())
}

/// Whether what a request rests on was not stored. If so, those that rest on it fail too.
pub(super) fn is_void(request: &Request<'_>) -> bool {
    let is_void = request.is_void();
    if is_void {
        request.fail();
    }
    is_void
}

/// Whether one request can be the reason of an error, so that others would be stored without it.
pub(super) fn concerns_one(error: &StoreError) -> bool {
    matches!(error, StoreError::NotStorable { .. } | StoreError::Damaged { .. } | StoreError::Other(_))
}

/// The answer to a request that the store can't carry out.
pub(super) fn refuse(request: &Request<'_>, error: StoreError) -> Answer {
    match request.appends {
        [first, ..] => Err(AppendError::store(first.stream, error).into()),
        [] => unreachable!("the store answers an append without streams itself"),
    }
}

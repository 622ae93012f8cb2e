//! What a follower says of its retries.

use std::sync::mpsc::Receiver;

use factum::follow::FollowerChange;

use super::stores::LONG;

/// Waits until the runner has tried again so often after a failure of the store.
pub(crate) fn wait_for_retries_of_no_event(changes: &Receiver<FollowerChange>, mut times: u32) {
    while times > 0 {
        match changes.recv_timeout(LONG).unwrap() {
            FollowerChange::Retrying { position: None, .. } => times -= 1,
            FollowerChange::LeaseTaken { .. } => {}
            change => panic!("{change}"),
        }
    }
}

//! The pauses between attempts to reach a server.

use std::time::Duration;

use tokio::time::sleep;

/// The first pause, and the longest one.
pub(super) const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Sleeps, and doubles the pause.
pub(super) async fn rest(pause: &mut Duration) {
    sleep(*pause).await;
    *pause = (*pause * 2).min(LONGEST_PAUSE);
}

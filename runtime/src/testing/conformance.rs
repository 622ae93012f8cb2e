//! The laws that an [`EventStore`] keeps, as tests for any store.
//!
//! The author of a store calls [`check_all`], and [`check_two_programs`] if several programs can use a store. Each law is also a function of its own, for a store that is
//! empty. A law that does not hold panics with a message that names the law.
//!
//! No law limits how long a call may take. A store that loses a wake-up or deadlocks makes its law hang.

mod appending;
mod concurrency;
mod importing;
mod keeping;
mod law;
mod programs;
mod queueing;
mod reading;
mod remembering;
mod task_reading;
mod threads;
mod waiting;

pub use self::appending::*;
pub use self::concurrency::*;
pub use self::importing::*;
pub use self::keeping::*;
pub use self::programs::*;
pub use self::queueing::*;
pub use self::reading::*;
pub use self::remembering::*;
pub use self::task_reading::*;
pub use self::waiting::*;
use crate::store::event_store::EventStore;

/// Checks all laws, each on a store of its own: `new_store` returns an empty one at each call.
///
/// ```
/// use factum::memory::MemoryStore;
/// use factum::testing::conformance;
///
/// conformance::check_all(MemoryStore::new);
/// ```
pub fn check_all<S: EventStore + Clone + 'static>(new_store: impl Fn() -> S) {
    let laws: [fn(&S); _] = [
        numbers_count_from_one,
        positions_of_one_append_are_consecutive,
        expected_versions_are_held_to,
        conflict_leaves_no_trace,
        append_to_several_streams_is_atomic,
        malformed_append_leaves_no_trace,
        append_of_nothing_checks_the_version,
        append_to_no_stream_does_nothing,
        stream_is_read_from_any_version,
        missing_stream_is_empty,
        all_streams_are_read_from_any_position,
        filter_selects,
        reads_end_where_told,
        partitions_split_the_streams,
        visitor_breaks_off,
        similar_names_stay_apart,
        events_come_back_whole,
        large_events_come_back_whole,
        long_reads_are_complete,
        visitor_uses_the_store,
        panic_of_a_visitor_poisons_nothing,
        clones_share_events,
        wait_for_the_past_returns,
        wait_ends_with_an_append,
        wait_that_runs_out_tells_the_position,
        watching_wakers_are_woken,
        queued_appends_rest_on_each_other,
        queue_is_there_for_nothing_too,
        queued_append_compares_the_last_event,
        concurrent_appends_lose_nothing,
        concurrent_appends_to_several_streams_pass_each_other,
        concurrent_expectations_have_one_winner,
        reads_never_end_inside_an_append,
        follower_misses_nothing,
        replay_is_a_read_of_the_stream,
        stream_ends_with_its_newest_event_only,
        key_is_kept_with_its_outcome,
        known_key_is_refused,
        malformed_key_leaves_no_trace,
        keys_are_forgotten_by_time,
        concurrent_appends_with_one_key_have_one_winner,
        keys_are_listed_with_their_outcomes,
        imported_keys_are_known,
        snapshot_comes_back_or_not_at_all,
        dropped_snapshots_are_gone,
        tasks_read_what_threads_read,
    ];
    for law in laws {
        law(&new_store());
    }
}

/// Checks the laws of two programs on one store. `open` returns two handles to a new store, each opened by itself.
///
/// ```
/// use factum::prelude::*;
/// use factum::testing::conformance;
///
/// let folder = tempfile::tempdir()?;
/// let mut files = 0;
/// conformance::check_two_programs(|| {
///     files += 1;
///     let path = folder.path().join(format!("{files}.db"));
///     [(); 2].map(|()| SqliteStore::open(&path).unwrap())
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn check_two_programs<S: EventStore>(mut open: impl FnMut() -> [S; 2]) {
    let laws: [fn(&[S; 2]); _] =
        [positions_follow_the_commits_of_all_programs, checks_see_the_commits_of_all_programs];
    for law in laws {
        law(&open());
    }
}

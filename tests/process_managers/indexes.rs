//! How SQLite finds what a process has to do.

use factum::prelude::*;

/// One look for the first time-out, however many are set.
#[test]
fn a_time_out_is_found_by_an_index() {
    let store = SqliteStore::in_memory().unwrap();
    let plans = [
        "SELECT instance FROM factum_process_timeouts WHERE process = 'p' AND held = 0 ORDER BY due LIMIT 1",
        "SELECT instance FROM factum_process_waiting WHERE process = 'p' AND held = 0 ORDER BY position LIMIT 1",
        "SELECT id, instance FROM factum_process_commands WHERE process = 'p' AND held = 0 ORDER BY id",
    ]
    .map(|sql| {
        let plan = store.query(|connection| {
            connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?.query_row((), |row| row.get::<_, String>(3))
        });
        plan.unwrap()
    });
    assert!(plans.iter().all(|plan| plan.starts_with("SEARCH") && plan.contains("INDEX")), "{plans:#?}");
}

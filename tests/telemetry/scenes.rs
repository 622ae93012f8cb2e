//! Scenes that together emit everything.

use std::thread;
use std::time::Duration;

use factum::Position;
use factum::follow::{CommandRoutes, FollowerChange};
use factum::prelude::*;
use factum::sqlite::SqliteReaction;
use tempfile::TempDir;

use crate::bounded::wait_until;
use crate::domain::{
    BEFORE_DECISION, Bells, Drops, Fill, Jar, LONG_WORK, Levels, NewLevels, Refills, SLOW, TOO_MANY, UNLUCKY,
    fill,
};
use crate::{LONG, open_file, runtime};

/// A command that is refused, one that is slow, one that is decided again, a unit of work.
pub(crate) fn commands() {
    let store = MemoryStore::new();
    let (jars, others) = (store.repository::<Jar>(), store.repository::<Jar>());
    jars.execute(fill("commands", 1)).unwrap();
    jars.execute(fill("commands", TOO_MANY)).unwrap_err();
    BEFORE_DECISION.set(Some(Box::new(|| thread::sleep(LONG_WORK))));
    jars.execute(fill("commands", 1)).unwrap();
    BEFORE_DECISION.set(Some(Box::new(move || drop(others.execute(fill("commands", 1)).unwrap()))));
    jars.execute_with(fill("commands", 1), &ExecuteOptions::new().retry(1)).unwrap();
    let mut unit = store.unit_of_work();
    unit.execute(&jars, fill("commands", 1)).unwrap();
    jars.execute(fill("commands", 1)).unwrap();
    unit.commit().unwrap_err();
}

/// A command on a worker thread.
pub(crate) fn blocking_call() {
    let jars = MemoryStore::new().repository::<Jar>();
    let runtime = runtime();
    let blocks = async move { jars.execute(fill("blocking", 1)).map(drop) };
    runtime.block_on(runtime.spawn(blocks)).unwrap().unwrap();
}

/// A view that fails, and one that retries an event, and moves it to the dead letters.
pub(crate) fn views() {
    let folder = TempDir::new().unwrap();
    let store = open_file(&folder);
    let jars = store.repository::<Jar>();
    for drops in [1, UNLUCKY, SLOW] {
        jars.execute(fill("views", drops)).unwrap();
    }
    let fails = SqliteProjection::new(&store, Levels).unwrap().follow().on_change(|_| {}).start().unwrap();
    fails.wait_for(Position::new(2), LONG).unwrap_err();
    fails.stop().unwrap_err();
    let hook = |_: &FollowerChange| panic!("in the hook");
    let view = SqliteProjection::new(&store, Levels).unwrap().follow().on_change(hook);
    let running = view.retry(1, Duration::ZERO).on_failure(OnFailure::DeadLetter).start().unwrap();
    running.wait_for(Position::new(3), LONG).unwrap();
    running.stop().unwrap();
}

/// A view that is rebuilt by a newer version.
pub(crate) fn rebuild() {
    let folder = TempDir::new().unwrap();
    let store = open_file(&folder);
    store.repository::<Jar>().execute(fill("rebuild", 1)).unwrap();
    SqliteProjection::new(&store, Levels).unwrap().catch_up().unwrap();
    let newer = SqliteProjection::new(&store, NewLevels).unwrap().follow().on_change(|_| {}).start().unwrap();
    newer.wait_for(Position::new(1), LONG).unwrap();
    newer.stop().unwrap();
}

/// A view that loses its lease.
pub(crate) fn leases() {
    let folder = TempDir::new().unwrap();
    let store = open_file(&folder);
    let running = SqliteProjection::new(&store, Levels).unwrap().follow().on_change(|_| {}).start().unwrap();
    store.repository::<Jar>().execute(fill("leases", 1)).unwrap();
    running.wait_for(Position::new(1), LONG).unwrap();
    let file = rusqlite::Connection::open(folder.path().join("jars.db")).unwrap();
    file.busy_timeout(LONG).unwrap();
    file.execute("UPDATE factum_leases SET holder = x'00112233'", ()).unwrap();
    store.repository::<Jar>().execute(fill("leases", 1)).unwrap();
    wait_until(|| matches!(running.state().activity, factum::follow::Activity::WaitingForLease { .. }));
    running.stop().unwrap();
}

/// A reaction of two workers, whose partitions begin to run in this program.
pub(crate) fn partitions() {
    let folder = TempDir::new().unwrap();
    let store = open_file(&folder);
    store.repository::<Jar>().execute(fill("partitions", 1)).unwrap();
    let bells = SqliteReaction::new(&store, Bells).unwrap().workers(2);
    let running = bells.follow().on_change(|_| {}).start().unwrap();
    running.wait_for(Position::new(1), LONG).unwrap();
    running.stop().unwrap();
}

/// A reaction, a view in memory, and a process that sends a command and has an instance that is held.
pub(crate) fn others() {
    let folder = TempDir::new().unwrap();
    let store = open_file(&folder);
    let jars = store.repository::<Jar>();
    jars.execute(fill("others", 1)).unwrap();
    jars.execute(fill("held", UNLUCKY)).unwrap();
    SqliteReaction::new(&store, Bells).unwrap().catch_up().unwrap();
    let commands = CommandRoutes::new().to(jars).shared();
    SqliteProcess::new(&store, Refills, commands).unwrap().catch_up().unwrap();
    let app = Kitchen { drops: Drops::default() }.start(&store).unwrap();
    app.wait_for::<Drops>(Position::new(3), LONG).unwrap();
    assert_eq!(app.view(|drops: &Drops| drops.drops), Some(1 + UNLUCKY + 5));
    app.schedule(Timestamp::now(), fill("timers", TOO_MANY), "timer").unwrap();
    wait_until(|| !app.timers().dead_letters().unwrap().is_empty());
    app.stop(LONG).unwrap();
}

#[derive(Application)]
#[application(aggregates(Jar), schedules(Fill))]
struct Kitchen {
    #[projection]
    drops: Drops,
}

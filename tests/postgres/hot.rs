//! Hot aggregates of two programs: what one hears of the other's appends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Wake, Waker};
use std::time::Duration;

use factum::postgres::{PostgresOptions, PostgresStore};
use factum::prelude::*;
use serde::{Deserialize, Serialize};

use crate::LONG;
use crate::server::{Server, on_server};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Counted;

#[derive(Debug, Clone, Command)]
struct Count {
    #[command(id)]
    counter: String,
}

/// Counts how often it is asked to count.
#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, services = Arc<AtomicU32>, commands(Count), events(Counted))]
struct Counter {
    count: u64,
}

#[handlers]
impl Counter {
    #[execute]
    fn count(&self, _: Count, decisions: &Arc<AtomicU32>) -> Counted {
        decisions.fetch_add(1, Ordering::SeqCst);
        Counted
    }

    #[apply]
    fn counted(&mut self, _: &Counted) {
        self.count += 1;
    }
}

/// A program that has the counter in memory.
struct Program {
    counters: Repository<Counter, PostgresStore>,
    decisions: Arc<AtomicU32>,
    woken: Receiver<()>,
}

struct Say(Sender<()>);

impl Wake for Say {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(());
    }
}

impl Program {
    /// A program that looks for events by itself so often, and is woken by them.
    fn start(server: &Server, schema: &str, poll_every: Duration) -> Self {
        let options = PostgresOptions::new().schema(schema).poll_every(poll_every);
        let store = options.connect(&format!("{}&application_name={schema}", server.url())).unwrap();
        let decisions = Arc::<AtomicU32>::default();
        let (say, woken) = channel();
        store.watch(&Waker::from(Arc::new(Say(say)))).unwrap();
        Self { counters: store.repository_with::<Counter>(Arc::clone(&decisions)), decisions, woken }
    }

    /// Counts, and returns the state and the number of decisions.
    fn count(&self) -> (u64, u32) {
        let before = self.decisions.load(Ordering::SeqCst);
        let done = self.counters.execute(Count { counter: "c".into() }).unwrap();
        (done.state().count, self.decisions.load(Ordering::SeqCst) - before)
    }

    /// Waits until it has heard of what `work` appends.
    fn hear(&self, work: impl FnOnce()) {
        while self.woken.try_recv().is_ok() {}
        work();
        self.woken.recv_timeout(LONG).unwrap();
    }
}

/// A command on a state that another program has changed is decided on the new state, and not on the old one before.
#[test]
fn changes_of_other_programs_are_heard() {
    on_server!(server);
    let schema = server.new_schema();
    let [here, there] = [(); 2].map(|()| Program::start(server, &schema, Duration::from_hours(1)));
    assert_eq!(here.count(), (1, 1));
    for round in 1..=3 {
        here.hear(|| assert_eq!(there.count().0, 2 * round));
        assert_eq!(here.count(), (2 * round + 1, 1));
    }
}

/// If the session that listens is lost, so is what others say meanwhile.
#[test]
fn lost_notifications_do_no_harm() {
    on_server!(server);
    let schema = server.new_schema();
    let here = Program::start(server, &schema, Duration::from_millis(100));
    let there = server.store(&schema).repository_with::<Counter>(Arc::default());
    assert_eq!(here.count(), (1, 1));
    let end_sessions = format!(
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = '{schema}'"
    );
    here.hear(|| {
        server.sql(&end_sessions);
        there.execute(Count { counter: "c".into() }).unwrap();
    });
    assert_eq!(here.count(), (3, 1));
}

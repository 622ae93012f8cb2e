//! Spans and events of the feature `tracing`; [`silent`](../silent.rs) has their signatures without it.
//!
//! The chapter `guide::telemetry` lists their names and fields. A test compares the chapter with what is emitted.

use std::future::{self, Future};
use std::panic::Location;
use std::pin::pin;
use std::time::{Duration, Instant};

use tracing::field::Empty;
use tracing::{Level, debug_span, event, event_enabled, info_span};

use crate::domain::position::Position;
use crate::domain::standard_error::report;
use crate::domain::stream_name::StreamName;

/// How long a handler may run before it is reported as slow.
///
/// For a command, that is the length of its turn. Other handlers run in a write transaction, which other writers wait for.
const SLOW: Duration = Duration::from_millis(100);

/// A span, or none if no subscriber wants it.
#[derive(Clone)]
pub(crate) struct Span(tracing::Span);

impl Span {
    pub(crate) fn command(
        aggregate: &'static str,
        command: &'static str,
        stream: impl FnOnce() -> StreamName,
    ) -> Self {
        Self(info_span!(
            target: "factum",
            "factum.command",
            factum.aggregate = aggregate,
            factum.command = command,
            factum.stream = %stream(),
            factum.outcome = Empty,
            factum.events = Empty,
            error.type = Empty,
        ))
    }

    pub(crate) fn unit(streams: usize) -> Self {
        Self(info_span!(
            target: "factum",
            "factum.unit_of_work",
            factum.streams = streams as u64,
            factum.outcome = Empty,
            factum.events = Empty,
            error.type = Empty,
        ))
    }

    pub(crate) fn append(requests: usize) -> Self {
        Self(debug_span!(
            target: "factum",
            "factum.append",
            db.operation.batch.size = requests as u64,
            factum.events = Empty,
            factum.failed = Empty,
        ))
    }

    pub(crate) fn load(aggregate: &'static str, stream: &StreamName) -> Self {
        Self(debug_span!(
            target: "factum",
            "factum.load",
            factum.aggregate = aggregate,
            factum.stream = %stream,
            factum.from = Empty,
            db.response.returned_rows = Empty,
            error.type = Empty,
        ))
    }

    pub(crate) fn step(follower: &'static str, kind: &'static str) -> Self {
        Self(info_span!(
            target: "factum",
            "factum.step",
            factum.follower = follower,
            factum.kind = kind,
            messaging.batch.message_count = Empty,
            factum.position = Empty,
            factum.lag = Empty,
            error.type = Empty,
        ))
    }

    pub(crate) fn send(process: &'static str, command: &str, instance: &str) -> Self {
        Self(info_span!(
            target: "factum",
            "factum.send",
            factum.follower = process,
            factum.command = command,
            factum.instance = instance,
            factum.outcome = Empty,
            error.type = Empty,
        ))
    }

    /// The span that this thread is in.
    pub(crate) fn current() -> Self {
        Self(tracing::Span::current())
    }

    /// Runs `work` in this span.
    pub(crate) fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        self.0.in_scope(work)
    }

    /// Enters this span each time that the future is polled, on whatever thread.
    pub(crate) fn around<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        let span = self.0.clone();
        async move {
            let mut work = pin!(work);
            future::poll_fn(|context| span.in_scope(|| work.as_mut().poll(context))).await
        }
    }

    /// Links this span to one that has asked for a part of its work.
    pub(crate) fn is_for(&self, other: &Self) {
        self.0.follows_from(&other.0);
    }

    pub(crate) fn decided(&self, outcome: &'static str, error: Option<&'static str>, events: u64) {
        self.0.record("factum.outcome", outcome).record("factum.events", events);
        if let Some(error) = error {
            self.0.record("error.type", error);
        }
    }

    pub(crate) fn appended(&self, events: usize, failed: usize) {
        self.0.record("factum.events", events as u64).record("factum.failed", failed as u64);
    }

    pub(crate) fn loaded(&self, from: &'static str, events: u64) {
        self.0.record("factum.from", from).record("db.response.returned_rows", events);
    }

    pub(crate) fn handled(&self, events: u64) {
        self.0.record("messaging.batch.message_count", events);
    }

    pub(crate) fn reached(&self, position: Position, lag: u64) {
        self.0.record("factum.position", position.get()).record("factum.lag", lag);
    }

    pub(crate) fn sent(&self, outcome: &'static str, error: Option<&'static str>) {
        self.0.record("factum.outcome", outcome);
        if let Some(error) = error {
            self.0.record("error.type", error);
        }
    }

    pub(crate) fn failed(&self) {
        self.0.record("error.type", "failed");
    }
}

/// A command, or the commit of a unit of work, meets a conflict.
pub(crate) fn conflict(stream: &StreamName, actual: u64) {
    event!(
        name: "factum.conflict", target: "factum", Level::INFO,
        factum.stream = %stream, factum.version = actual,
        "another writer was faster",
    );
}

pub(crate) fn decided_again(stream: &StreamName, attempt: u32) {
    event!(
        name: "factum.decided_again", target: "factum", Level::INFO,
        factum.stream = %stream, factum.attempt = u64::from(attempt),
        "the command is decided again",
    );
}

pub(crate) fn lease_taken(follower: &'static str) {
    event!(
        name: "factum.lease_taken", target: "factum", Level::INFO,
        factum.follower = follower,
        "the runner has taken the lease",
    );
}

pub(crate) fn partitions(follower: &'static str, here: &[u32], of: u32) {
    event!(
        name: "factum.partitions_shared", target: "factum", Level::INFO,
        factum.follower = follower, factum.partitions = ?here, factum.partition_count = of,
        "other partitions run here than before",
    );
}

pub(crate) fn lease_lost(follower: &'static str, holder: &impl std::fmt::Display) {
    event!(
        name: "factum.lease_lost", target: "factum", Level::WARN,
        factum.follower = follower, factum.holder = %holder,
        "another runner has taken the lease",
    );
}

pub(crate) fn follower_retries(
    follower: &'static str,
    position: Option<Position>,
    error: &str,
    attempts: u32,
    delay: Duration,
) {
    event!(
        name: "factum.retry", target: "factum", Level::WARN,
        factum.follower = follower, factum.position = position.map(Position::get), exception.message = error,
        factum.attempt = u64::from(attempts), factum.delay = delay.as_secs_f64(),
        "the runner tries again after a failure",
    );
}

pub(crate) fn dead_letter(follower: &'static str, position: Position, error: &str, attempts: u32) {
    event!(
        name: "factum.dead_letter", target: "factum", Level::ERROR,
        factum.follower = follower, factum.position = position.get(), exception.message = error,
        factum.attempt = u64::from(attempts),
        "an event was moved to the dead letters",
    );
}

pub(crate) fn timer_failed(runner: &'static str, key: &str, command: &str, error: &str) {
    event!(
        name: "factum.timer_failed", target: "factum", Level::ERROR,
        factum.follower = runner, factum.timer = key, factum.command = command, exception.message = error,
        "a timer was moved to the dead letters",
    );
}

/// In a transaction that may still be rolled back.
pub(crate) fn instance_held(process: &'static str, instance: &str, error: &str) {
    event!(
        name: "factum.instance_held", target: "factum", Level::ERROR,
        factum.follower = process, factum.instance = instance, exception.message = error,
        "a dead letter holds the instance of a process",
    );
}

pub(crate) fn rebuild_begun(follower: &'static str, from: u32, to: u32) {
    event!(
        name: "factum.rebuild_begun", target: "factum", Level::INFO,
        factum.follower = follower, factum.from_version = u64::from(from), factum.to_version = u64::from(to),
        "the rebuild of the view begins, or resumes",
    );
}

pub(crate) fn rebuild_done(follower: &'static str, version: u32) {
    event!(
        name: "factum.rebuild_done", target: "factum", Level::INFO,
        factum.follower = follower, factum.to_version = u64::from(version),
        "the view is rebuilt",
    );
}

pub(crate) fn follower_stopped(follower: &'static str, error: Option<&str>) {
    const NAME: &str = "factum.stopped";
    match error {
        None => event!(
            name: NAME, target: "factum", Level::INFO,
            factum.follower = follower,
            "the runner was stopped",
        ),
        Some(error) => event!(
            name: NAME, target: "factum", Level::ERROR,
            factum.follower = follower, exception.message = error,
            "the runner has ended",
        ),
    }
}

/// A hook of an application, or of a follower, has panicked.
pub(crate) fn hook_panicked(of: &str, panic: &str) {
    event!(
        name: "factum.hook_panicked", target: "factum", Level::ERROR,
        factum.of = of, exception.message = panic,
        "a hook has panicked",
    );
}

/// Runs a handler, and reports it if it is slow. `of` is the command or the follower.
pub(crate) fn handler<T>(kind: &'static str, of: &'static str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = work();
    let took = begun.elapsed();
    if took >= SLOW {
        event!(
            name: "factum.slow_handler", target: "factum", Level::WARN,
            factum.kind = kind, factum.of = of, factum.duration = took.as_secs_f64(),
            "a handler is slow",
        );
    }
    result
}

/// A call blocks a thread that must not block. Without a subscriber that wants the event, it is a line on standard error.
#[allow(dead_code, reason = "only the feature `tokio` has threads that must not block")]
pub(crate) fn blocking_call(method: &str, instead: &str, place: &Location<'_>) {
    if !event_enabled!(target: "factum", Level::WARN) {
        return report(format_args!(
            "`{method}` blocks a worker thread of tokio, at {place}: await `{instead}` there"
        ));
    }
    event!(
        name: "factum.blocking_call", target: "factum", Level::WARN,
        code.function.name = method, factum.instead = instead,
        code.file.path = place.file(), code.line.number = u64::from(place.line()),
        "a call blocks a worker thread of tokio",
    );
}

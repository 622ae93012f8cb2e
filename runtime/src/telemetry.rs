//! What this process has done, in numbers: how many commands, appends, loads and steps of followers, and how long they took.
//!
//! [`statistics`] reads the counters, which are always on. The chapter [`guide::telemetry`](crate::guide::telemetry) has an
//! example that writes them as text for Prometheus, and lists the spans and events of the feature `tracing`.

pub(crate) mod counters;
pub(crate) mod histogram;
pub(crate) mod measure;

pub use self::counters::{
    AppendStatistics, CommandStatistics, LoadStatistics, Statistics, StepStatistics, UnitStatistics,
    statistics,
};
pub use self::histogram::Histogram;

//! The works: one table for each row, with the counts of each arm and the targets of the ratios.

use crate::arms::{ARMS, Arm};

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) work: &'static str,
    pub(crate) synchronous: &'static str,
    pub(crate) unit: Unit,
    pub(crate) counts: Counts,
    /// The least ratio of factum's rate to raw's.
    pub(crate) vs_raw: Option<f64>,
    /// The least ratio of factum's rate to that of the fastest peer.
    pub(crate) vs_fastest_peer: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Commands,
    Events,
    Bytes,
}

/// The count of operations of each arm, in the order of [`ARMS`].
pub(crate) struct Counts(pub(crate) [usize; ARMS.len()]);

use Unit::{Bytes, Commands, Events};

// Slow arms get smaller counts, to keep a run short. In `one` and `load` all counts are equal, because the
// cost of an operation depends on the count.
#[rustfmt::skip]
pub(crate) const ROWS: [Row; 12] = [
    // counts of each arm                                           raw  factum cqrs-es  evento ev-core  vs raw      vs peer
    row("fresh-full",     "fresh",          "full",   Commands, [ 4_000,  4_000,  1_000,  1_000,  1_000], Some(0.90), Some(1.5)),
    row("fresh-normal",   "fresh",          "normal", Commands, [20_000, 20_000,  2_000,  2_000,  2_000], Some(0.70), Some(4.0)),
    row("one-full",       "one",            "full",   Commands, [ 5_000,  5_000,  5_000,  5_000,  5_000], Some(0.90), Some(3.5)),
    row("one-normal",     "one",            "normal", Commands, [ 5_000,  5_000,  5_000,  5_000,  5_000], Some(0.70), Some(8.0)),
    row("threads32-full", "threads32",      "full",   Commands, [ 4_000,  4_000,  1_000,  1_000,  1_000], Some(0.80), Some(10.0)),
    row("task1-full",     "task1",          "full",   Commands, [ 4_000,  4_000,  1_000,  1_000,  1_000], None,       Some(1.0)),
    row("tasks64-full",   "tasks64",        "full",   Commands, [16_000, 16_000,  1_000,  1_000,  1_000], None,       Some(10.0)),
    row("tasks1000-full", "tasks1000",      "full",   Commands, [32_000, 32_000,  2_000,  2_000,  2_000], None,       Some(10.0)),
    row("load",           "load",           "normal", Events,   [10_000, 10_000, 10_000, 10_000, 10_000], Some(0.85), Some(3.0)),
    row("size",           "size",           "normal", Bytes,    [10_000, 10_000, 10_000, 10_000, 10_000], None,       None),
    row("catchup-memory", "catchup-memory", "normal", Events,   [50_000, 50_000, 20_000, 20_000, 20_000], Some(0.80), None),
    row("catchup-view",   "catchup-view",   "normal", Events,   [50_000, 50_000, 10_000, 10_000, 10_000], Some(0.80), Some(5.0)),
];

const fn row(
    name: &'static str,
    work: &'static str,
    synchronous: &'static str,
    unit: Unit,
    counts: [usize; ARMS.len()],
    vs_raw: Option<f64>,
    vs_fastest_peer: Option<f64>,
) -> Row {
    Row { name, work, synchronous, unit, counts: Counts(counts), vs_raw, vs_fastest_peer }
}

impl Unit {
    /// The unit of a rate.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Commands => "commands/s",
            Events => "events/s",
            Bytes => "bytes/event, less is better",
        }
    }
}

impl Counts {
    /// Whole hundreds, as some works give each aggregate a hundred events.
    pub(crate) fn scaled(&self, scale: f64) -> Self {
        Self(self.0.map(|count| scaled(count, scale)))
    }

    pub(crate) fn of(&self, arm: &Arm) -> usize {
        self.0[arm.index()]
    }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn scaled(count: usize, scale: f64) -> usize {
    let hundreds = (count as f64 * scale / 100.0).round() as usize;
    hundreds.max(1) * 100
}

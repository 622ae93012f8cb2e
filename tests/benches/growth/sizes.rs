//! How much of everything is done.

pub(crate) struct Sizes {
    pub(crate) cold: Cold,
    pub(crate) normal: Hot,
    pub(crate) full: Hot,
    /// Large enough for a ratio to mean something.
    pub(crate) are_telling: bool,
}

pub(crate) struct Cold {
    /// The events of the two streams.
    pub(crate) short: u64,
    pub(crate) long: u64,
    /// Odd, so that one of them is the median.
    pub(crate) rounds: u32,
}

pub(crate) struct Hot {
    /// The commands that are timed, on the new stream and on the grown one.
    pub(crate) commands: u32,
    /// The events of the grown one.
    pub(crate) grown: u64,
    /// The events of another stream, in one append: enough for the write-ahead log to get as long as it ever does.
    pub(crate) others: u64,
    /// Odd, too.
    pub(crate) rounds: u32,
}

impl Sizes {
    /// Enough to measure if cargo says that this is `cargo bench`, and else (`cargo test --benches`) enough to see that
    /// everything runs.
    pub(crate) fn asked_for() -> Self {
        if std::env::args().any(|argument| argument == "--bench") {
            let hot = |rounds| Hot { commands: 2_000, grown: 100_000, others: 130_000, rounds };
            Self {
                // More than twice the commands between two snapshots: a load meets any number of events after one.
                cold: Cold { short: 100, long: 1_000_000, rounds: 301 },
                // Each is over in a tenth of a second, in which the log is moved into the file once, or twice.
                normal: hot(41),
                full: hot(7),
                are_telling: true,
            }
        } else {
            let hot = || Hot { commands: 20, grown: 1_000, others: 1_000, rounds: 1 };
            Self {
                cold: Cold { short: 100, long: 1_000, rounds: 3 },
                normal: hot(),
                full: hot(),
                are_telling: false,
            }
        }
    }
}

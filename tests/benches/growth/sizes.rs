//! The amount of work.

pub(crate) struct Sizes {
    pub(crate) cold: Cold,
    pub(crate) normal: Hot,
    pub(crate) full: Hot,
    /// The events of the grown store.
    pub(crate) store: u64,
    /// Whether the sizes are large enough for meaningful ratios.
    pub(crate) are_meaningful: bool,
}

pub(crate) struct Cold {
    /// The events of the two streams.
    pub(crate) short: u64,
    pub(crate) long: u64,
    /// An odd number has a median.
    pub(crate) rounds: u32,
}

pub(crate) struct Hot {
    /// The timed commands, on the new stream and on the grown one.
    pub(crate) commands: u32,
    /// The events of the grown stream.
    pub(crate) grown: u64,
    /// The events of another stream, in one append: enough for the write-ahead log to reach its full length.
    pub(crate) others: u64,
    /// An odd number has a median.
    pub(crate) rounds: u32,
}

impl Sizes {
    /// Large sizes if cargo runs `cargo bench`, else (`cargo test --benches`) sizes that only run everything
    /// once.
    pub(crate) fn asked_for() -> Self {
        if std::env::args().any(|argument| argument == "--bench") {
            let hot = |rounds| Hot { commands: 2_000, grown: 100_000, others: 130_000, rounds };
            Self {
                // More than twice the commands between two snapshots: a load meets any number of events after
                // one.
                cold: Cold { short: 100, long: 1_000_000, rounds: 301 },
                // Each takes a tenth of a second, with one or two WAL checkpoints.
                normal: hot(41),
                full: hot(7),
                store: 10_000_000,
                are_meaningful: true,
            }
        } else {
            let hot = || Hot { commands: 20, grown: 1_000, others: 1_000, rounds: 1 };
            Self {
                cold: Cold { short: 100, long: 1_000, rounds: 3 },
                normal: hot(),
                full: hot(),
                store: 20_000,
                are_meaningful: false,
            }
        }
    }
}

//! The number of events.

pub(crate) struct Sizes {
    /// The events of the catch-ups, and how often each arm runs.
    pub(crate) events: u64,
    pub(crate) rounds: usize,
    /// How many appends are waited for, one after the other.
    pub(crate) appends: u64,
    /// The events of the catch-up that others append beside.
    pub(crate) beside: u64,
    /// The events of the two rebuilds.
    pub(crate) rebuilt: [u64; 2],
    /// Whether the sizes are large enough for meaningful results.
    pub(crate) counts: bool,
}

impl Sizes {
    /// All events if cargo runs `cargo bench`, a tenth with `--quick`, else (`cargo test --benches`) so few
    /// that everything only runs once.
    pub(crate) fn asked_for() -> Self {
        let has = |wanted| std::env::args().any(|argument| argument == wanted);
        if !has("--bench") {
            Self {
                events: 1_000,
                rounds: 1,
                appends: 10,
                beside: 1_000,
                rebuilt: [1_000, 2_000],
                counts: false,
            }
        } else if has("--quick") {
            Self {
                events: 20_000,
                rounds: 5,
                appends: 500,
                beside: 100_000,
                rebuilt: [10_000, 100_000],
                counts: true,
            }
        } else {
            Self {
                events: 100_000,
                rounds: 15,
                appends: 2_000,
                beside: 300_000,
                rebuilt: [100_000, 1_000_000],
                counts: true,
            }
        }
    }
}

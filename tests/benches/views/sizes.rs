//! How many events there are.

pub(crate) struct Sizes {
    /// What views catch up with, and how often.
    pub(crate) events: u64,
    pub(crate) rounds: usize,
    /// How many appends a following view is waited for after.
    pub(crate) appends: u64,
    /// What a view is made anew from.
    pub(crate) rebuilt: [u64; 2],
    /// Whether that is enough to tell anything.
    pub(crate) counts: bool,
}

impl Sizes {
    /// All of them if cargo says that this is `cargo bench`, a tenth with `--quick`, and else (`cargo test --benches`) enough to
    /// see that everything runs.
    pub(crate) fn asked_for() -> Self {
        let has = |wanted| std::env::args().any(|argument| argument == wanted);
        if !has("--bench") {
            Self { events: 1_000, rounds: 1, appends: 10, rebuilt: [1_000, 2_000], counts: false }
        } else if has("--quick") {
            Self { events: 20_000, rounds: 5, appends: 500, rebuilt: [10_000, 100_000], counts: true }
        } else {
            Self { events: 100_000, rounds: 15, appends: 2_000, rebuilt: [100_000, 1_000_000], counts: true }
        }
    }
}

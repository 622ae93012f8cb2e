//! How many events there are.

pub(crate) struct Sizes {
    pub(crate) few: u64,
    pub(crate) many: u64,
    /// What each connection keeps of the file, which must be less than `few` events take: a cache that is not full
    /// would be most of what differs.
    pub(crate) cache_bytes: u32,
    /// What the ratio is called, if there are enough events for one.
    pub(crate) name: Option<&'static str>,
}

impl Sizes {
    /// All of them if cargo says that this is `cargo bench`, a tenth with `--quick`, and else (`cargo test --benches`)
    /// enough to see that everything runs.
    pub(crate) fn asked_for() -> Self {
        let has = |wanted| std::env::args().any(|argument| argument == wanted);
        // As in `SqliteOptions::default()`.
        let cache_bytes = 16 << 20;
        if !has("--bench") {
            Self { few: 1_000, many: 5_000, cache_bytes, name: None }
        } else if has("--quick") {
            let cache_bytes = cache_bytes / 10;
            Self { few: 50_000, many: 500_000, cache_bytes, name: Some("memory/replay-500k-vs-50k") }
        } else {
            Self { few: 500_000, many: 5_000_000, cache_bytes, name: Some("memory/replay-5m-vs-500k") }
        }
    }
}

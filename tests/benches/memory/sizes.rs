//! The number of events.

pub(crate) struct Sizes {
    pub(crate) few: u64,
    pub(crate) many: u64,
    /// The cache of each connection. It must be smaller than `few` events, or filling it would be most of the
    /// difference.
    pub(crate) cache_bytes: u32,
    /// The name of the ratio, if there are enough events for one.
    pub(crate) name: Option<&'static str>,
}

impl Sizes {
    /// All events if cargo runs `cargo bench`, a tenth with `--quick`, else (`cargo test --benches`) so few
    /// that everything only runs once.
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

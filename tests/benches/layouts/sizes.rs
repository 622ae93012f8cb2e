//! How much of everything is done.

/// Counts are `u32`, as a rate is a quotient of floats.
pub(crate) struct Sizes {
    /// Odd, so that one of them is the median.
    pub(crate) rounds: usize,
    /// Commits that wait for the disk.
    pub(crate) full: u32,
    /// Commits that do not.
    pub(crate) normal: u32,
    /// Commits of 100 events.
    pub(crate) batches: u32,
    /// Commits of 32 appends.
    pub(crate) groups: u32,
    /// Streams of 100 events in the file that is written to.
    pub(crate) written_streams: usize,
    /// Streams in the file that is read, by their number of events.
    pub(crate) read_streams: [ReadStreams; 3],
}

pub(crate) struct ReadStreams {
    pub(crate) events: u32,
    pub(crate) streams: usize,
    /// How many of them one round loads.
    pub(crate) loaded: usize,
}

impl Sizes {
    /// Enough to measure if cargo says that this is `cargo bench`; less, from files that fit in the cache, with `--quick`; and else
    /// (`cargo test --benches`) enough to see that every layout keeps what it is given.
    pub(crate) fn asked_for() -> Self {
        let arguments: Vec<String> = std::env::args().collect();
        let has = |wanted| arguments.iter().any(|argument| argument == wanted);
        if !has("--bench") {
            Self::new(1, 10, 100, [(10, 100, 10), (1_000, 3, 1), (10_000, 1, 1)])
        } else if has("--quick") {
            Self::new(5, 2, 400, [(10, 1_500, 200), (1_000, 15, 3), (10_000, 2, 1)])
        } else {
            // More rounds rather than longer ones: what else the machine does lasts for seconds.
            Self::new(7, 1, 1_000, [(10, 6_000, 500), (1_000, 60, 6), (10_000, 9, 2)])
        }
    }

    /// `part`: what to divide the counts of commits by.
    fn new(rounds: usize, part: u32, written_streams: usize, read: [(u32, usize, usize); 3]) -> Self {
        Self {
            rounds,
            full: 400 / part,
            normal: 2_000 / part,
            batches: 100 / part,
            groups: 60 / part,
            written_streams,
            read_streams: read.map(|(events, streams, loaded)| ReadStreams { events, streams, loaded }),
        }
    }
}

//! Histograms with fixed bounds, each twice the one before.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// How many bounds there are, and one bucket more for what is beyond the last.
const BUCKETS: usize = 25;

/// How often values were up to each of 24 bounds, each twice the one before.
///
/// | histogram of | unit | first bound | last bound |
/// |---|---|---|---|
/// | durations | nanoseconds | 1,024: about a microsecond | 8,589,934,592: about 8.6 seconds |
/// | sizes | requests | 1 | 8,388,608 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    first_bound: u64,
    sum: u64,
    buckets: [u64; BUCKETS],
}

impl Histogram {
    /// The sum of all values.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The number of values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The buckets in order: the bound, which is `None` for the last bucket, and the number of values up to the bound and
    /// beyond the one before.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        let bounds = (0..BUCKETS - 1).map(|doublings| Some(self.first_bound << doublings)).chain([None]);
        bounds.zip(self.buckets)
    }

    pub(super) fn since(&self, earlier: &Self) -> Self {
        let mut buckets = self.buckets;
        for (bucket, earlier) in buckets.iter_mut().zip(earlier.buckets) {
            *bucket = bucket.saturating_sub(earlier);
        }
        Self { sum: self.sum.saturating_sub(earlier.sum), buckets, ..*self }
    }
}

/// A histogram that is counted in. The first bound is `1 << SHIFT`.
pub(super) struct HistogramCounter<const SHIFT: u32> {
    sum: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

/// Of durations, in nanoseconds.
pub(super) type Durations = HistogramCounter<10>;

/// Of numbers from 1.
pub(super) type Sizes = HistogramCounter<0>;

impl<const SHIFT: u32> HistogramCounter<SHIFT> {
    pub(super) const fn new() -> Self {
        Self { sum: AtomicU64::new(0), buckets: [const { AtomicU64::new(0) }; BUCKETS] }
    }

    pub(super) fn count(&self, value: u64) {
        self.sum.fetch_add(value, Ordering::Relaxed);
        // The number of doublings of the first bound until it is no less than the value.
        let doublings = (u64::BITS - (value.saturating_sub(1) >> SHIFT).leading_zeros()) as usize;
        if let Some(bucket) = self.buckets.get(doublings.min(BUCKETS - 1)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn read(&self) -> Histogram {
        let mut buckets = [0; BUCKETS];
        for (bucket, counter) in buckets.iter_mut().zip(&self.buckets) {
            *bucket = counter.load(Ordering::Relaxed);
        }
        Histogram { first_bound: 1 << SHIFT, sum: self.sum.load(Ordering::Relaxed), buckets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bound of the bucket that a value is counted in.
    fn bound<const SHIFT: u32>(value: u64) -> Option<u64> {
        let counter = HistogramCounter::<SHIFT>::new();
        counter.count(value);
        let histogram = counter.read();
        assert_eq!((histogram.sum(), histogram.count()), (value, 1));
        let mut bounds = histogram.buckets().filter(|(_, count)| *count == 1).map(|(bound, _)| bound);
        bounds.next().unwrap()
    }

    #[test]
    fn a_value_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let sizes = [0, 1, 2, 3, 4, 5, 8_388_608, 8_388_609, u64::MAX].map(bound::<0>);
        let last = Some(8_388_608);
        assert_eq!(sizes, [Some(1), Some(1), Some(2), Some(4), Some(4), Some(8), last, None, None]);
        let durations = [0, 1, 1_024, 1_025, 2_048, 2_049, 8_589_934_592, 8_589_934_593].map(bound::<10>);
        let [first, second, third] = [Some(1_024), Some(2_048), Some(4_096)];
        assert_eq!(durations, [first, first, first, second, second, third, Some(8_589_934_592), None]);
    }
}

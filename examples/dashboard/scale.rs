//! Scales: from values to coordinates.

/// Maps a range of values to a range of coordinates.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Scale {
    /// Maps `from` to `start` and `to` to `end`. If `from` equals `to`, every value is at `start`.
    pub fn new((from, to): (f64, f64), (start, end): (f64, f64)) -> Self {
        Self { from, to, start, end }
    }

    /// The coordinate of a value.
    pub fn at(self, value: f64) -> f64 {
        let Self { from, to, start, end } = self;
        if to > from { start + (value - from) / (to - from) * (end - start) } else { start }
    }
}

/// About five round, whole numbers from 0 to at least `most`, such as 0, 20, 40, 60; never fewer than two.
pub fn ticks(most: f64) -> Vec<f64> {
    let rough = (most / 5.0).max(1.0);
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough);
    let step = step.unwrap_or(rough);
    let mut ticks = vec![0.0];
    while ticks.len() < 2 || ticks.last().is_some_and(|last| *last < most) {
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let next = ticks.len() as f64 * step;
        ticks.push(next);
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_reach_the_most() {
        assert_eq!(ticks(0.0), [0.0, 1.0]);
        assert_eq!(ticks(1.0), [0.0, 1.0]);
        assert_eq!(ticks(3.0), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(ticks(58.0), [0.0, 20.0, 40.0, 60.0]);
        assert_eq!(ticks(100.0), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks(7_123.0), [0.0, 2_000.0, 4_000.0, 6_000.0, 8_000.0]);
    }

    #[test]
    fn values_lie_where_they_should() {
        let scale = Scale::new((0.0, 10.0), (300.0, 100.0));
        assert!(
            [(0.0, 300.0), (5.0, 200.0), (10.0, 100.0)]
                .iter()
                .all(|(value, at)| (scale.at(*value) - at).abs() < 1e-9)
        );
        assert!((Scale::new((2.0, 2.0), (7.0, 9.0)).at(2.0) - 7.0).abs() < 1e-9);
    }
}

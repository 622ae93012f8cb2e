//! Times the arms in turns.

use std::time::{Duration, Instant};

/// Code to measure.
pub(crate) struct Arm<'a, T> {
    pub(crate) name: &'static str,
    pub(crate) run: Box<dyn Fn() -> T + 'a>,
}

/// The times of one arm, one for each round.
pub(crate) struct Times(Vec<Duration>);

/// Runs every arm once in every round, so that other load on the machine affects all arms. The order changes
/// from round to round, as each arm finds the caches as the arm before left them. All arms must return
/// `expected`.
pub(crate) fn measure<T: PartialEq + std::fmt::Debug>(
    arms: &[Arm<'_, T>],
    rounds: usize,
    expected: &T,
) -> Vec<Times> {
    let mut times: Vec<_> = arms.iter().map(|_| Times(Vec::new())).collect();
    let mut order: Vec<_> = (0..arms.len()).collect();
    let mut random = 1;
    // The first round fills caches and does not count.
    for round in 0..=rounds {
        shuffle(&mut order, &mut random);
        for &index in &order {
            let arm = &arms[index];
            let start = Instant::now();
            let result = (arm.run)();
            let time = start.elapsed();
            assert_eq!(&result, expected, "{}", arm.name);
            if round > 0 {
                times[index].0.push(time);
            }
        }
    }
    times
}

/// Shuffles, in an equal way in every run of the program.
fn shuffle(order: &mut [usize], random: &mut usize) {
    for end in (1..order.len()).rev() {
        // Park and Miller's generator: no dependency for eight numbers.
        *random = *random * 48_271 % 0x7fff_ffff;
        order.swap(end, *random % (end + 1));
    }
}

impl Times {
    /// Median, minimum and maximum rate per second, if each run handled `count` events.
    pub(crate) fn rates(&self, count: u32) -> [f64; 3] {
        let rates = sorted(self.0.iter().map(|time| f64::from(count) / time.as_secs_f64()));
        [median(&rates), rates[0], rates[rates.len() - 1]]
    }

    /// The median of the ratios of all rounds. A slow second of the machine affects both sides of one round,
    /// and so leaves its ratio as it is.
    pub(crate) fn over(&self, other: &Self) -> f64 {
        median(&sorted(self.0.iter().zip(&other.0).map(|(time, other)| time.div_duration_f64(*other))))
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Of an odd number of values.
fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}

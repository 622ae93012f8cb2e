//! Taking turns, and what is left of the figures afterwards.

/// An order of arms for each turn: whatever else the machine does should meet all of them, and an arm finds the caches
/// the way the one before has left them.
pub(crate) struct Turns {
    order: Vec<usize>,
    random: Random,
}

impl Turns {
    pub(crate) fn new(arms: usize) -> Self {
        Self { order: (0..arms).collect(), random: Random::new() }
    }

    pub(crate) fn next(&mut self) -> &[usize] {
        self.random.shuffle(&mut self.order);
        &self.order
    }
}

/// Park and Miller's generator: the same numbers in every run of the program, and no dependency.
pub(crate) struct Random(u32);

impl Random {
    pub(crate) fn new() -> Self {
        Self(1)
    }

    /// Below `2^31 - 1`.
    pub(crate) fn next(&mut self) -> u32 {
        let next = u64::from(self.0) * 48_271 % 0x7fff_ffff;
        self.0 = u32::try_from(next).expect("the remainder has 31 bits");
        self.0
    }

    /// Below `end`; the bias does not matter here.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.next() as usize % end
    }

    pub(crate) fn shuffle(&mut self, values: &mut [usize]) {
        for end in (1..values.len()).rev() {
            values.swap(end, self.below(end + 1));
        }
    }
}

/// What one arm gave in each round.
#[derive(Clone, Default)]
pub(crate) struct Figures(Vec<f64>);

impl Figures {
    pub(crate) fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    pub(crate) fn median(&self) -> f64 {
        median(self.0.iter().copied())
    }

    /// The median of what each round says by itself: a slow second of the machine meets both sides of one round.
    pub(crate) fn over(&self, other: &Self) -> f64 {
        median(self.0.iter().zip(&other.0).map(|(figure, other)| figure / other))
    }
}

/// Of an odd number of values.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

//! The median, which a busy second of the machine does not change.

/// The middle one of an odd number of values; of an even number, the upper one of the middle two.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

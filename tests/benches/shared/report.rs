//! The result of a benchmark.

/// Prints one line, in the form that all benchmarks use. `op` is `<=` or `>=`.
pub(crate) fn print_ratio(name: &str, value: f64, op: &str, target: f64) {
    println!("ratio {name} {value:.2} target {op} {target:.2}");
}

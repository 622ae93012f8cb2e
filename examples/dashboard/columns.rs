//! Column charts: groups of columns side by side, in order.

use super::bars::as_float;
use super::scale::{Scale, ticks};
use super::svg::{Anchor, Svg, WIDTH};

const HEIGHT: f64 = 300.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 28.0;

/// A chart with a group for each name, and in it a column for each series.
pub fn columns(label: &str, series: [&str; 2], groups: &[(String, [u64; 2])]) -> String {
    let mut svg = Svg::default();
    svg.legend(&series, LEFT);
    let most = groups.iter().flat_map(|(_, counts)| *counts).max().unwrap_or_default();
    let ticks = ticks(as_float(most));
    let floor = HEIGHT - BOTTOM;
    let scale = Scale::new((0.0, ticks.last().copied().unwrap_or(1.0)), (floor, TOP));
    for tick in &ticks {
        let y = scale.at(*tick);
        svg.line("grid", (LEFT, y), (WIDTH - RIGHT, y));
        svg.text("label", Anchor::End, (LEFT - 8.0, y + 4.5), &format!("{tick:.0}"));
    }
    let pitch = (WIDTH - LEFT - RIGHT) / as_float(groups.len().max(1) as u64);
    let width = (pitch * 0.38).min(26.0);
    // Names that would overlap are left out.
    let every = (44.0 / pitch).ceil().max(1.0);
    for (index, (name, counts)) in groups.iter().enumerate() {
        let index = as_float(index as u64);
        let middle = LEFT + pitch * (index + 0.5);
        for ((class, series), (count, x)) in ["one", "two"]
            .into_iter()
            .zip(series)
            .zip(counts.iter().zip([middle - width - 1.0, middle + 1.0]))
        {
            let y = scale.at(as_float(*count));
            svg.rect(class, (x, y), (width, floor - y), &format!("{name}, {series}: {count}"));
        }
        if index % every == 0.0 {
            svg.text("label", Anchor::Middle, (middle, HEIGHT - 8.0), name);
        }
    }
    svg.line("axis", (LEFT, floor), (WIDTH - RIGHT, floor));
    svg.finish(HEIGHT, label)
}

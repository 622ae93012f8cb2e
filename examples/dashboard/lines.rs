//! Line charts: sums that grow from day to day.

use super::scale::{Scale, ticks};
use super::svg::{Anchor, Svg, WIDTH};

const HEIGHT: f64 = 300.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 28.0;

/// Both sums at the end of a day. The number of the day gives the distance between two days.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sums {
    pub day: f64,
    pub sums: [f64; 2],
}

/// A chart of two sums over days, in order; `years` has the number of the first day of each year, and its
/// name.
pub fn lines(label: &str, series: [&str; 2], days: &[Sums], years: &[(f64, String)]) -> String {
    let mut svg = Svg::default();
    svg.legend(&series, LEFT);
    let most = days.last().map_or(0.0, |last| last.sums[0].max(last.sums[1]));
    let ticks = ticks(most);
    let floor = HEIGHT - BOTTOM;
    let up = Scale::new((0.0, ticks.last().copied().unwrap_or(1.0)), (floor, TOP));
    let span = days.first().zip(days.last()).map_or((0.0, 0.0), |(first, last)| (first.day, last.day));
    let along = Scale::new(span, (LEFT, WIDTH - RIGHT));
    for tick in &ticks {
        let y = up.at(*tick);
        svg.line("grid", (LEFT, y), (WIDTH - RIGHT, y));
        svg.text("label", Anchor::End, (LEFT - 8.0, y + 4.5), &format!("{tick:.0}"));
    }
    let mut taken = 0.0;
    for (day, year) in years.iter().filter(|(day, _)| (span.0..=span.1).contains(day)) {
        let x = along.at(*day);
        svg.line("grid", (x, floor), (x, floor + 5.0));
        if x > taken && x < WIDTH - RIGHT - 12.0 {
            svg.text("label", Anchor::Middle, (x, HEIGHT - 6.0), year);
            taken = x + 44.0;
        }
    }
    for (index, class) in ["line-one", "line-two"].into_iter().enumerate() {
        let mut points = Vec::new();
        let mut before = 0.0;
        for Sums { day, sums } in days {
            // A sum changes on its day and stays until the next: a step and not a slope.
            points.push((along.at(*day), up.at(before)));
            points.push((along.at(*day), up.at(sums[index])));
            before = sums[index];
        }
        svg.path(class, &points);
    }
    svg.line("axis", (LEFT, floor), (WIDTH - RIGHT, floor));
    svg.finish(HEIGHT, label)
}

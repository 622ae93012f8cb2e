//! Bar charts: one horizontal bar for each name.

use super::scale::Scale;
use super::svg::{Anchor, Svg, WIDTH};

const ROW: f64 = 30.0;
const BAR: f64 = 20.0;
/// Room for names, and for numbers after the longest bar.
const LEFT: f64 = 170.0;
const RIGHT: f64 = 60.0;

/// A chart with a bar for each row, and its number beside the bar.
pub fn bars(label: &str, rows: &[(String, u64)]) -> String {
    let mut svg = Svg::default();
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or_default();
    let scale = Scale::new((0.0, as_float(most)), (LEFT, WIDTH - RIGHT));
    let mut y = 0.0;
    for (name, count) in rows {
        let middle = y + ROW / 2.0;
        svg.text("label", Anchor::End, (LEFT - 10.0, middle + 4.5), name);
        let width = scale.at(as_float(*count)) - LEFT;
        svg.rect("one", (LEFT, middle - BAR / 2.0), (width, BAR), &format!("{name}: {count}"));
        svg.text("value", Anchor::Start, (LEFT + width + 6.0, middle + 4.5), &count.to_string());
        y += ROW;
    }
    svg.line("axis", (LEFT, 0.0), (LEFT, y));
    svg.finish(y.max(ROW), label)
}

/// Exact, because all counts here are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub fn as_float(count: u64) -> f64 {
    count as f64
}

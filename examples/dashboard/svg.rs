//! The elements that all charts are drawn with. The page sets their colours and fonts.

use std::fmt::Write as _;

/// The width of a chart, in the units of all coordinates.
pub const WIDTH: f64 = 720.0;

/// A drawing, built element by element.
#[derive(Debug, Default)]
pub struct Svg(String);

/// Which point of a text is at its coordinates.
#[derive(Debug, Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    /// A rectangle: `class` sets its colour, and `title` shows under the mouse pointer.
    pub fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64), title: &str) {
        let title = escaped(title);
        let _ = writeln!(
            self.0,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"2\"><title>{title}</title></rect>"
        );
    }

    pub fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let _ = writeln!(
            self.0,
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    /// A line through all points.
    pub fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(self.0, "<polyline class=\"{class}\" points=\"{}\"/>", points.join(" "));
    }

    pub fn text(&mut self, class: &str, anchor: Anchor, (x, y): (f64, f64), text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        let _ = writeln!(
            self.0,
            "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>"
        );
    }

    /// The legend: the name of each colour, in one row from the left.
    pub fn legend(&mut self, names: &[&str], left: f64) {
        let mut x = left;
        for (name, class) in names.iter().zip(["one", "two"]) {
            self.rect(class, (x, 2.0), (12.0, 12.0), name);
            self.text("label", Anchor::Start, (x + 18.0, 12.5), name);
            // No character is wider than eight units.
            x += 18.0 + 8.0 * f64::from(u16::try_from(name.chars().count()).unwrap_or(u16::MAX)) + 16.0;
        }
    }

    /// The drawing as an element of a page, with a label for screen readers.
    pub fn finish(self, height: f64, label: &str) -> String {
        format!(
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">\n{}</svg>",
            escaped(label),
            self.0
        )
    }
}

/// Escapes a text for use in an element or an attribute.
pub fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, character| {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            character => escaped.push(character),
        }
        escaped
    })
}

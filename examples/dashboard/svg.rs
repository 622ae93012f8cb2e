//! The pieces that all charts are drawn with. Colours and fonts are the page's.

use std::fmt::Write as _;

/// How wide a chart is; all places are in these units.
pub const WIDTH: f64 = 720.0;

/// A drawing, piece by piece.
#[derive(Debug, Default)]
pub struct Svg(String);

/// Where a text lies, seen from its place.
#[derive(Debug, Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    /// A box with a class, which says its colour; `title` shows where the mouse rests.
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

    /// A line through all of these.
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

    /// Which colour is what, in one row from the left.
    pub fn legend(&mut self, names: &[&str], left: f64) {
        let mut x = left;
        for (name, class) in names.iter().zip(["one", "two"]) {
            self.rect(class, (x, 2.0), (12.0, 12.0), name);
            self.text("label", Anchor::Start, (x + 18.0, 12.5), name);
            // Eight units a character is more than any takes.
            x += 18.0 + 8.0 * f64::from(u16::try_from(name.chars().count()).unwrap_or(u16::MAX)) + 16.0;
        }
    }

    /// The drawing as an element of a page, with a text for those who can't see it.
    pub fn finish(self, height: f64, label: &str) -> String {
        format!(
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">\n{}</svg>",
            escaped(label),
            self.0
        )
    }
}

/// As it may stand in an element or an attribute.
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

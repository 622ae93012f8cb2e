//! HTML in which only literals of this program are markup. All else is escaped, so that it stays text.

use std::fmt::{Display, Write as _};

/// A piece of HTML.
#[derive(Debug, Default)]
pub struct Html(String);

impl Html {
    /// Adds markup, which is a literal of the program.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds text: as content, or as the value of an attribute in double quotes.
    pub fn text(&mut self, text: impl Display) -> &mut Self {
        // It takes any text.
        let _ = write!(Escape(&mut self.0), "{text}");
        self
    }

    /// Adds another piece.
    pub fn append(&mut self, other: &Self) -> &mut Self {
        self.0.push_str(&other.0);
        self
    }

    pub fn into_text(self) -> String {
        self.0
    }
}

struct Escape<'a>(&'a mut String);

impl std::fmt::Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}

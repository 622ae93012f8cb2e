//! Progress bars on the terminal: how far a file is read, and a view is built.

use std::io::{self, IsTerminal as _};
use std::ops::ControlFlow;
use std::time::Duration;

use factum::follow::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The bars of this program, one below the other. Nothing is drawn if the output is not a terminal.
#[derive(Debug, Default)]
pub struct Bars(MultiProgress);

impl Bars {
    pub fn new() -> Self {
        Self::default()
    }

    /// A bar for a file of this many bytes.
    pub fn reading(&self, bytes: u64) -> ProgressBar {
        self.bar(bytes, "{msg:12} {wide_bar} {bytes}/{total_bytes}", "the log")
    }

    /// A bar for a view; its projection reports its progress to the result.
    pub fn view(&self, name: &'static str) -> impl FnMut(&Progress) -> ControlFlow<()> + Send + use<> {
        let bar = self.bar(0, "{msg:12} {wide_bar} {pos}/{len} events{prefix}", name);
        move |progress| {
            bar.set_length(progress.total);
            bar.set_position(progress.done);
            let left = progress.left().filter(|left| *left > Duration::from_secs(1));
            let left = left.map(|left| format!(", {} s left", left.as_secs())).unwrap_or_default();
            bar.set_prefix(format!(", {:.0} a second{left}", progress.rate()));
            if progress.done == progress.total {
                bar.finish();
            }
            ControlFlow::Continue(())
        }
    }

    /// Prints a line above the bars.
    pub fn line(&self, text: &str) {
        self.0.suspend(|| eprintln!("{text}"));
    }

    fn bar(&self, length: u64, template: &str, message: &'static str) -> ProgressBar {
        let bar = self.0.add(ProgressBar::new(length));
        // A mistake in the template shows as a plain bar.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.with_message(message)
    }
}

/// The bars stay on the terminal, and later output begins on a new line.
impl Drop for Bars {
    fn drop(&mut self) {
        if io::stderr().is_terminal() {
            eprintln!();
        }
    }
}

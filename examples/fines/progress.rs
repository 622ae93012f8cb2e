//! Bars on the terminal: how far a file is read, and a view made.

use std::io::{self, IsTerminal as _};
use std::ops::ControlFlow;
use std::time::Duration;

use factum::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The bars of this program, one below the other. Where the output is no terminal, nothing is drawn.
#[derive(Debug, Default)]
pub struct Bars(MultiProgress);

impl Bars {
    pub fn new() -> Self {
        Self::default()
    }

    /// For a file of so many bytes.
    pub fn reading(&self, bytes: u64) -> ProgressBar {
        self.bar(bytes, "{msg:12} {wide_bar} {bytes}/{total_bytes}", "the log")
    }

    /// For a view: what its projection tells goes here.
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

    /// A line above the bars.
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

/// The bars stay as they are; what comes next begins a line of its own.
impl Drop for Bars {
    fn drop(&mut self) {
        if io::stderr().is_terminal() {
            eprintln!();
        }
    }
}

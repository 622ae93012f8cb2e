//! An expected and a found text, compared line by line.

use std::fmt::Write as _;

use similar::{ChangeTag, TextDiff};

/// The lines of both texts: ` ` in both, `-` expected only, `+` found only.
pub(super) fn difference(expected: &str, found: &str) -> String {
    let mut text = String::from("  (- expected, + found)\n");
    for change in TextDiff::from_lines(expected, found).iter_all_changes() {
        let sign = match change.tag() {
            ChangeTag::Equal => ' ',
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
        };
        let _ = writeln!(text, "  {sign} {}", change.value().trim_end_matches('\n'));
    }
    text
}

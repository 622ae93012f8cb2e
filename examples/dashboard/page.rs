//! The page: all figures in one file that needs no other file.

use std::fmt::Write as _;

use super::figures::Figure;
use super::svg::escaped;

/// Light or dark, as the reader's system is set.
const STYLE: &str = "
:root { color-scheme: light dark; --paper: #fcfcfb; --ink: #1b1b1a; --soft: #6a6a66; --grid: #e3e3df;
  --one: #2f6fb7; --two: #d98324; }
@media (prefers-color-scheme: dark) { :root { --paper: #191918; --ink: #ececea; --soft: #a3a39e; --grid: #363633;
  --one: #6ba3e0; --two: #eba557; } }
body { background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto;
  max-width: 760px; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin: 2.5rem 0 0; }
p { color: var(--soft); margin: .2rem 0 1rem; }
svg { display: block; width: 100%; height: auto; font: 13px system-ui, sans-serif; }
.one { fill: var(--one); } .two { fill: var(--two); }
.line-one, .line-two { fill: none; stroke-width: 2; stroke-linejoin: round; }
.line-one { stroke: var(--one); } .line-two { stroke: var(--two); }
.grid { stroke: var(--grid); } .axis { stroke: var(--soft); }
.label { fill: var(--soft); } .value { fill: var(--ink); }
details { margin-top: .5rem; } summary { color: var(--soft); cursor: pointer; font-size: .9rem; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--grid); padding: .15rem 1.2rem .15rem 0; text-align: right; }
th:first-child, td:first-child { text-align: left; }
";

/// The page as HTML, which is well-formed XML too.
pub fn page(figures: &[Figure]) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>Road-traffic fines</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>Road-traffic fines</h1>\n<p>Built by projections from the events of an event store.</p>\n"
    );
    for figure in figures {
        // Writing to a string can't fail.
        let _ = section(&mut page, figure);
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn section(page: &mut String, figure: &Figure) -> std::fmt::Result {
    let Figure { title, text, svg, head, rows } = figure;
    writeln!(page, "<section>\n<h2>{}</h2>\n<p>{}</p>\n{svg}", escaped(title), escaped(text))?;
    writeln!(page, "<details><summary>The numbers</summary>\n<table>\n<thead><tr>")?;
    for name in head {
        write!(page, "<th>{}</th>", escaped(name))?;
    }
    writeln!(page, "</tr></thead>\n<tbody>")?;
    for row in rows {
        write!(page, "<tr>")?;
        for cell in row {
            write!(page, "<td>{}</td>", escaped(cell))?;
        }
        writeln!(page, "</tr>")?;
    }
    writeln!(page, "</tbody>\n</table>\n</details>\n</section>")
}

//! The output: a table for each row of works, and the lines of the ratios.

use crate::arms::{ARMS, Kind};
use crate::measure::{Outcome, Results};
use crate::stats;
use crate::works::{Counts, Row, Unit};

pub(crate) fn names(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.name).collect()
}

pub(crate) fn print(row: &Row, counts: &Counts, results: &Results) {
    println!("\n{} ({}, synchronous {})", row.name, row.unit.name(), row.synchronous);
    println!("{:<10} {:>7} {:>12} {:>12} {:>12} {:>9}", "arm", "count", "median", "min", "max", "of raw");
    for arm in &ARMS {
        let name = arm.name;
        let rates = match results.of(arm) {
            Outcome::Rates(rates) => rates,
            Outcome::Missing => {
                println!("{name:<10} missing");
                continue;
            }
            Outcome::Unable => {
                println!("{name:<10} cannot do this");
                continue;
            }
            Outcome::Failed => {
                println!("{name:<10} FAILED");
                continue;
            }
        };
        let [median, min, max] = [stats::median(rates), stats::least(rates), stats::most(rates)];
        let ratio = results.ratio(arm, Kind::Raw).map_or("-".into(), |ratio| format!("{ratio:.3}"));
        let count = counts.of(arm);
        println!("{name:<10} {count:>7} {median:>12.0} {min:>12.0} {max:>12.0} {ratio:>9}");
    }
}

/// `ratio <name> <value> target >= <target>`, a form that scripts read.
pub(crate) fn ratio_lines(row: &Row, results: &Results) -> Vec<String> {
    assert!(
        row.unit != Unit::Bytes || (row.vs_raw.is_none() && row.vs_fastest_peer.is_none()),
        "a target is a least, and fewer bytes are better"
    );
    let sides = [("vs-raw", Kind::Raw, row.vs_raw), ("vs-fastest-peer", Kind::Peer, row.vs_fastest_peer)];
    let factum = ARMS.iter().find(|arm| arm.kind == Kind::Factum).expect("factum is an arm");
    sides
        .into_iter()
        .filter_map(|(suffix, kind, target)| {
            let (target, ratio) = (target?, results.ratio(factum, kind)?);
            Some(format!("ratio peers/{}-{suffix} {ratio:.2} target >= {target:.2}", row.name))
        })
        .collect()
}

//! What factum counts, for Prometheus.

use std::fmt::Write as _;

use factum::telemetry::{Histogram, Statistics};

/// The statistics of this process, in the text form of Prometheus.
pub fn prometheus(statistics: &Statistics) -> String {
    let Statistics { commands, units, appends, loads, steps, .. } = statistics;
    let mut text = String::new();
    let counters = [
        ("commands", "outcome=\"done\"", commands.done),
        ("commands", "outcome=\"unchanged\"", commands.unchanged),
        ("commands", "outcome=\"repeated\"", commands.repeated),
        ("commands", "outcome=\"refused\"", commands.refused),
        ("commands", "outcome=\"conflict\"", commands.conflict),
        ("commands", "outcome=\"failed\"", commands.failed),
        ("decided_again", "", commands.decided_again),
        ("units_of_work", "outcome=\"done\"", units.done),
        ("units_of_work", "outcome=\"conflict\"", units.conflict),
        ("units_of_work", "outcome=\"failed\"", units.failed),
        ("appended_events", "", appends.events),
        ("failed_appends", "", appends.failed),
        ("loads", "from=\"memory\"", loads.from_memory),
        ("loads", "from=\"snapshot\"", loads.from_snapshot),
        ("loads", "from=\"start\"", loads.from_start),
        ("failed_loads", "", loads.failed),
        ("replayed_events", "", loads.events),
        ("followed_events", "", steps.events),
        ("failed_steps", "", steps.failed),
    ];
    let mut named = "";
    for (name, labels, count) in counters {
        if name != named {
            let _ = writeln!(text, "# TYPE factum_{name}_total counter");
            named = name;
        }
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(text, "factum_{name}_total{labels} {count}");
    }
    // Prometheus counts in seconds.
    histogram(&mut text, "command_seconds", &commands.durations, 1e9);
    histogram(&mut text, "unit_of_work_seconds", &units.durations, 1e9);
    histogram(&mut text, "append_seconds", &appends.durations, 1e9);
    histogram(&mut text, "append_requests", &appends.groups, 1.0);
    histogram(&mut text, "load_seconds", &loads.durations, 1e9);
    histogram(&mut text, "step_seconds", &steps.durations, 1e9);
    text
}

#[expect(clippy::cast_precision_loss, reason = "beyond 2^53, the last few do not matter")]
fn histogram(text: &mut String, name: &str, of: &Histogram, unit: f64) {
    let _ = writeln!(text, "# TYPE factum_{name} histogram");
    let mut up_to = 0;
    for (bound, count) in of.buckets() {
        up_to += count;
        let bound = bound.map_or("+Inf".to_owned(), |bound| (bound as f64 / unit).to_string());
        let _ = writeln!(text, "factum_{name}_bucket{{le=\"{bound}\"}} {up_to}");
    }
    let _ = writeln!(text, "factum_{name}_sum {}\nfactum_{name}_count {up_to}", of.sum() as f64 / unit);
}

//! The model as a flowchart of Mermaid.

use std::fmt::Write as _;

use crate::application::model::Model;
use crate::domain::emitted::Count;
use crate::follow::definition::FollowerKind;

impl Model {
    /// The model as a flowchart in the language of [Mermaid](https://mermaid.js.org), which GitHub, GitLab and many editors
    /// draw.
    ///
    /// Arrows go from commands to the events that these lead to, with `?` for at most one, `+` for one at least, and `*` for
    /// any number; from events to followers; and from processes, reactions
    /// and timers to the commands that they send.
    #[must_use]
    pub fn mermaid(&self) -> String {
        let mut chart = Chart { text: "flowchart LR\n".to_owned(), others: Vec::new() };
        for (number, aggregate) in self.aggregates.iter().enumerate() {
            chart.line(&format!("  subgraph a{number}[\"{}\"]", label(aggregate.name)));
            for (index, command) in aggregate.commands.iter().enumerate() {
                let internal = if command.internal { " (internal)" } else { "" };
                chart.line(&format!("    a{number}c{index}[\"{}{internal}\"]", label(command.name)));
            }
            for (index, event) in aggregate.events.iter().enumerate() {
                chart.line(&format!("    a{number}e{index}([\"{}\"])", label(event.name)));
            }
            chart.line("  end");
        }
        for (number, aggregate) in self.aggregates.iter().enumerate() {
            for (index, (_, emitted)) in aggregate.emits().enumerate() {
                for (event, count) in emitted {
                    let event = self.event(&mut chart, aggregate.name, event);
                    chart.line(&format!("  a{number}c{index} -->{} {event}", on_arrow("", count)));
                }
            }
        }
        for (number, follower) in self.followers.iter().enumerate() {
            let name = label(follower.name);
            chart.line(&match follower.kind {
                FollowerKind::Projection => format!("  f{number}[[\"{name}\"]]"),
                FollowerKind::Reaction => format!("  f{number}>\"{name}\"]"),
                FollowerKind::Process => format!("  f{number}{{{{\"{name}\"}}}}"),
            });
            for (category, event) in follower.reads() {
                let event = self.event(&mut chart, category, event.name);
                chart.line(&format!("  {event} -.-> f{number}"));
            }
            // What a reaction sends is known, not on which event.
            for command in follower.sends.iter().filter(|_| follower.kind == FollowerKind::Reaction) {
                let command = self.command(&mut chart, command);
                chart.line(&format!("  f{number} ==> {command}"));
            }
            for step in follower.steps {
                let on = if step.is_refusal { format!("{} refused", step.on) } else { step.on.to_owned() };
                for (command, count) in step.sends.events(&[]) {
                    let command = self.command(&mut chart, command);
                    chart.line(&format!("  f{number} ==>{} {command}", on_arrow(&on, count)));
                }
            }
        }
        if !self.schedules.is_empty() {
            chart.line("  t0[/\"timers\"/]");
        }
        for command in self.schedules {
            let command = self.command(&mut chart, command);
            chart.line(&format!("  t0 ==> {command}"));
        }
        chart.text
    }

    /// The node of an event, which is made if no aggregate of the model has it.
    fn event(&self, chart: &mut Chart, category: &str, event: &str) -> String {
        for (number, aggregate) in self.aggregates.iter().enumerate().filter(|(_, of)| of.name == category) {
            if let Some(index) = aggregate.events.iter().position(|known| known.name == event) {
                return format!("a{number}e{index}");
            }
        }
        chart.other(format!("([\"{}: {}\"])", label(category), label(event)))
    }

    /// The node of a command, which is made if no aggregate of the model has it.
    fn command(&self, chart: &mut Chart, command: &str) -> String {
        for (number, aggregate) in self.aggregates.iter().enumerate() {
            if let Some(index) = aggregate.commands.iter().position(|known| known.name == command) {
                return format!("a{number}c{index}");
            }
        }
        chart.other(format!("[\"{}\"]", label(command)))
    }
}

struct Chart {
    text: String,
    /// The nodes of what no aggregate of the model has, as they are drawn.
    others: Vec<String>,
}

impl Chart {
    fn line(&mut self, line: &str) {
        self.text += line;
        self.text.push('\n');
    }

    fn other(&mut self, drawn: String) -> String {
        if let Some(index) = self.others.iter().position(|known| *known == drawn) {
            return format!("o{index}");
        }
        let node = format!("o{}", self.others.len());
        self.line(&format!("  {node}{drawn}"));
        self.others.push(drawn);
        node
    }
}

/// The text on an arrow: what leads to it, and how many there are unless it is one.
fn on_arrow(on: &str, count: Count) -> String {
    let count = count.to_string();
    let text = match (on, &*count) {
        ("", "1") => return String::new(),
        ("", _) => count,
        (_, "1") => label(on),
        _ => format!("{} {count}", label(on)),
    };
    format!("|\"{text}\"|")
}

/// A text within quotes. Mermaid writes other characters as entities: `#` for `&`.
fn label(text: &str) -> String {
    let mut label = String::new();
    for char in text.chars() {
        match char {
            '"' | '#' | '&' | '<' | '>' | '`' | '\\' | '|' => {
                let _ = write!(label, "#{};", u32::from(char));
            }
            char if char.is_control() => label.push(' '),
            char => label.push(char),
        }
    }
    label
}

//! The model as a page.

use std::fmt::Write as _;

use crate::application::model::{FollowerModel, Model};
use crate::domain::aggregate_model::AggregateModel;
use crate::domain::emitted::Count;
use crate::follow::definition::FollowerKind;

impl Model {
    /// The model as a page in Markdown: the [chart](Self::mermaid), and tables of all that it has.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut page = format!(
            "# {}\n\nA test writes this page from the code, and fails while it is stale.\n\n```mermaid\n{}```\n",
            heading(self.name),
            self.mermaid()
        );
        for aggregate in self.aggregates {
            add_aggregate(aggregate, &mut page);
        }
        if !self.followers.is_empty() {
            page +=
                "\n## Views, reactions and processes\n\n| name | kind | reads | sends |\n|---|---|---|---|\n";
            for follower in self.followers {
                add_follower(follower, &mut page);
            }
        }
        if !self.schedules.is_empty() {
            let commands: Vec<_> = self.schedules.iter().map(|command| code(command)).collect();
            let _ = writeln!(page, "\nTimers send {}.", commands.join(", "));
        }
        page
    }
}

fn add_aggregate(aggregate: &AggregateModel, page: &mut String) {
    let _ = writeln!(page, "\n## {}\n", heading(aggregate.name));
    *page += "| command | fields | leads to |\n|---|---|---|\n";
    for (command, emitted) in aggregate.emits() {
        let internal = if command.internal { " (internal)" } else { "" };
        let fields = fields(command.fields.iter());
        let _ = writeln!(page, "| {}{internal} | {fields} | {} |", code(command.name), counted(&emitted));
    }
    *page += "\n| event | version | fields |\n|---|---|---|\n";
    for shape in aggregate.shapes() {
        let fields = fields(shape.fields.iter().map(|field| (field.name, field.ty)));
        let _ = writeln!(page, "| {} | {} | {fields} |", code(shape.event), shape.version);
    }
    if !aggregate.retired.is_empty() {
        let retired: Vec<_> = aggregate.retired.iter().map(|kind| code(kind.name)).collect();
        let _ = writeln!(page, "\nRetired: {}", retired.join(", "));
    }
}

fn add_follower(follower: &FollowerModel, page: &mut String) {
    let kind = match follower.kind {
        FollowerKind::Projection => "view",
        FollowerKind::Reaction => "reaction",
        FollowerKind::Process => "process",
    };
    let reads: Vec<_> = follower
        .reads()
        .map(|(category, event)| format!("{} of {}", code(event.name), code(category)))
        .collect();
    // What a reaction sends is known, not on which event.
    let of_reaction = follower.sends.iter().filter(|_| follower.kind == FollowerKind::Reaction);
    let on_steps = follower
        .steps
        .iter()
        .map(|step| (step, step.sends.events(&[])))
        .filter(|(_, sends)| !sends.is_empty())
        .map(|(step, sends)| {
            let refused = if step.is_refusal { " refused" } else { "" };
            format!("on {}{refused}: {}", code(step.on), counted(&sends))
        });
    let sends: Vec<_> = of_reaction.map(|command| code(command)).chain(on_steps).collect();
    let _ = writeln!(
        page,
        "| {} | {kind} | {} | {} |",
        code(follower.name),
        reads.join("<br>"),
        sends.join("<br>")
    );
}

fn fields(fields: impl Iterator<Item = (&'static str, &'static str)>) -> String {
    fields.map(|(name, ty)| code(&format!("{name}: {ty}"))).collect::<Vec<_>>().join("<br>")
}

fn counted(names: &[(&'static str, Count)]) -> String {
    let one = |(name, count): &(&'static str, Count)| match count.to_string().as_str() {
        "1" => code(name),
        count => format!("{} {}", code(name), code(count)),
    };
    names.iter().map(one).collect::<Vec<_>>().join("<br>")
}

/// A name as a heading, on one line.
fn heading(name: &str) -> String {
    code(name).replace("\\|", "|")
}

/// A text as code in a cell of a table.
fn code(text: &str) -> String {
    let text: String = text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    // Code that has backticks stands between longer rows of them.
    let longest = text.split(|char| char != '`').map(str::len).max().unwrap_or_default();
    let ticks = "`".repeat(longest + 1);
    let space = if longest > 0 { " " } else { "" };
    format!("{ticks}{space}{}{space}{ticks}", text.replace('|', "\\|"))
}

//! The code that makes a program of a crate, equal in both complete arms.

use std::fmt::Write as _;

use crate::arms::Arm;
use crate::domain::{Area, command, fields};

/// A function for each command, as a service has them. They instantiate the repository's generic code:
/// without them, rustc would generate none in either arm.
pub(super) fn service(arm: Arm, area: &Area, text: &mut String) {
    let state = area.state();
    // factum generates the conversion that lets a repository take the command itself.
    let asked =
        if arm == Arm::Hand { format!("{state}Command::from(command)") } else { "command".to_owned() };
    for part in area.parts.clone() {
        let command = command(part);
        let _ = write!(
            text,
            "\
pub fn part{part:03}(to: &Repository<{state}, SqliteStore>, command: {command}) -> Result<u64, ExecuteError<Refused>> {{
    Ok(to.execute({asked})?.version())
}}

"
        );
    }
}

/// A program that runs every command once in both arms, and compares the stored events and the states.
pub(crate) fn same(size: usize, areas: &[Area]) -> String {
    let mut text = String::from(IMPORTS);
    for arm in [Arm::Hand, Arm::Factum] {
        let krate = arm.krate(size);
        let _ = write!(
            text,
            "\
fn {}(store: &SqliteStore) -> Result<Vec<String>, Box<dyn Error>> {{
    let id = {krate}::Id(\"one\".into());
    let mut stored = Vec::new();
",
            arm.name()
        );
        for area in areas {
            let path = format!("{krate}::{}", area.module());
            let _ = writeln!(text, "    let to = store.repository::<{path}::{}>();", area.state());
            for part in area.parts.clone() {
                let values = fields(part).map(|field| format!("{}: {}", field.name, value(field.ty, &krate)));
                let values = values.collect::<Vec<_>>().join(", ");
                let _ = writeln!(
                    text,
                    "    {path}::part{part:03}(&to, {path}::{} {{ id: id.clone(), {values} }})?;",
                    command(part)
                );
            }
            text += "    read(&to, &id, &mut stored)?;\n";
        }
        text += "    Ok(stored)\n}\n\n";
    }
    text + MAIN
}

const IMPORTS: &str = "\
use std::error::Error;

use factum::EventSet;
use factum::prelude::*;

";

const MAIN: &str = "\
fn read<A: Aggregate>(
    from: &Repository<A, SqliteStore>,
    id: &A::Id,
    stored: &mut Vec<String>,
) -> Result<(), Box<dyn Error>> {
    for event in from.history(id)? {
        let event = event?;
        let mut payload = Vec::new();
        event.event.encode(&mut payload)?;
        let payload = String::from_utf8(payload)?;
        stored.push(format!(\"{} {} {} {payload}\", event.stream, event.event.name(), event.event.event_version()));
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let (by_hand, by_factum) = (hand(&SqliteStore::in_memory()?)?, factum(&SqliteStore::in_memory()?)?);
    assert_eq!(by_hand, by_factum);
    println!(\"{} events are the same in both\", by_hand.len());
    Ok(())
}
";

pub(super) fn value(ty: &str, krate: &str) -> String {
    match ty {
        "String" => "\"A title\".into()".into(),
        "u64" => "1".into(),
        "Option<String>" => "Some(\"A note\".into())".into(),
        "bool" => "true".into(),
        "Vec<u32>" => "vec![1, 2, 3]".into(),
        "i32" => "-1".into(),
        _ => format!("{krate}::Place {{ street: \"Main Street\".into(), zip: 10_000 }}"),
    }
}

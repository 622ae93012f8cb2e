//! Checks of a whole application at compile time: across its aggregates and followers.

#![expect(
    clippy::indexing_slicing,
    reason = "constants have no other access to slices; the loops keep to their lengths"
)]

use crate::domain::aggregate_model::AggregateModel;
use crate::domain::command_set::CommandKind;
use crate::domain::event::EventKind;
use crate::follow::handler::PartitionedByStream;
use crate::follow::keeps::Followed;
use crate::macro_support::names::{MARKS, knows_name, mark, same_name};
use crate::macro_support::sources::fail;

/// An aggregate of an application, as data.
#[derive(Debug)]
pub struct Member {
    /// The aggregate's type, as the application writes it.
    shown: &'static str,
    category: &'static str,
    events: &'static [EventKind],
    retired: &'static [EventKind],
    commands: &'static [CommandKind],
}

impl Member {
    /// The aggregate that the application writes so.
    #[must_use]
    pub const fn of(shown: &'static str, model: &AggregateModel) -> Self {
        let AggregateModel { name: category, events, retired, commands, .. } = *model;
        Self { shown, category, events, retired, commands }
    }
}

/// Asserts that no aggregate before the one at `index` has its name. The error points at the caller.
#[track_caller]
pub const fn assert_new_aggregate(members: &[Member], index: usize) {
    let Member { shown, category, .. } = members[index];
    let mut earlier = 0;
    while earlier < index {
        if same_name(members[earlier].category, category) {
            let fix = "`: give one of them another with `#[aggregate(name = \"..\")]`";
            let shares = "` has the name `";
            let of = "`, as an aggregate before it in this application, `";
            fail(&["`", shown, shares, category, of, members[earlier].shown, fix], &[]);
        }
        earlier += 1;
    }
}

/// A command whose name one before it has: the index of its aggregate, and its own. The former is too large if there is none.
///
/// A table of marks finds it: rustc interprets this function, and would take a second to compare 200 names with each other.
#[must_use]
pub const fn repeated_command(members: &[Member]) -> (usize, usize) {
    let mut marks = [false; MARKS];
    let mut member = 0;
    while member < members.len() {
        let commands = members[member].commands;
        let mut command = 0;
        while command < commands.len() {
            let of_name = mark(commands[command].name);
            if marks[of_name] && owner(members, (member, command)).is_some() {
                return (member, command);
            }
            marks[of_name] = true;
            command += 1;
        }
        member += 1;
    }
    (member, 0)
}

/// The aggregate that has the name of a command in a command before it.
const fn owner(members: &[Member], (member, command): (usize, usize)) -> Option<usize> {
    let name = members[member].commands[command].name;
    let mut earlier = 0;
    while earlier <= member {
        let commands = members[earlier].commands;
        let end = if earlier == member { command } else { commands.len() };
        let mut other = 0;
        while other < end {
            if same_name(commands[other].name, name) {
                return Some(earlier);
            }
            other += 1;
        }
        earlier += 1;
    }
    None
}

/// Asserts that the repeated command is not one of the aggregate at `index`. The error points at the caller.
#[track_caller]
pub const fn assert_own_commands(members: &[Member], repeated: (usize, usize), index: usize) {
    if repeated.0 != index {
        return;
    }
    let Member { shown, commands, .. } = members[index];
    if let Some(owner) = owner(members, repeated) {
        if owner == index {
            let fix = "` has two commands of the name `";
            let name = commands[repeated.1].name;
            fail(
                &["`", shown, fix, name, "`: give one of them another with `#[command(name = \"..\")]`"],
                &[],
            );
        }
        let and_of = "`, and of `";
        let fix = "`: an application could not tell where it goes; make it two commands, or give one another name with `#[command(name = \"..\")]`";
        fail(
            &[
                "the command `",
                commands[repeated.1].name,
                "` is one of `",
                members[owner].shown,
                and_of,
                shown,
                fix,
            ],
            &[],
        );
    }
}

/// Asserts that no follower before the one at `index` has its name. The error points at the caller.
#[track_caller]
pub const fn assert_new_follower(followers: &[Followed], index: usize, shown: &str) {
    let mut earlier = 0;
    while earlier < index {
        if same_name(followers[earlier].name, followers[index].name) {
            let fix = "`, as a follower before it in this application: their progress would be one; give one of them another with `name = \"..\"`";
            fail(&["`", shown, "` has the name `", followers[index].name, fix], &[]);
        }
        earlier += 1;
    }
}

/// Asserts that the application has what a follower follows. The error points at the caller.
///
/// The follower's own derive has compared its events with the aggregates that it names by type.
#[track_caller]
pub const fn assert_followed(members: &[Member], followed: &Followed, shown: &str) {
    let Followed { events, from, from_by_name, sends, .. } = *followed;
    let mut index = 0;
    while index < from.len() {
        if find(members, from[index]).is_none() {
            let fix = "`, which this application does not have: add it to `aggregates(..)`";
            fail(&["`", shown, "` follows the aggregate `", from[index], fix], &[]);
        }
        index += 1;
    }
    index = 0;
    while index < sends.len() {
        if !takes_command(members, sends[index]) {
            let fix =
                "`, which no aggregate of this application takes: add its aggregate to `aggregates(..)`";
            fail(&["`", shown, "` sends the command `", sends[index], fix], &[]);
        }
        index += 1;
    }
    index = 0;
    while !from_by_name.is_empty() && index < events.len() {
        assert_known(members, shown, from, events[index].name);
        index += 1;
    }
}

/// Asserts that an aggregate of the application takes a command that its timers send. The error points at the caller.
#[track_caller]
pub const fn assert_scheduled(members: &[Member], command: &str, shown: &str) {
    if !takes_command(members, command) {
        let fix = "`, which no aggregate of this application takes: add its aggregate to `aggregates(..)`, or list it in the \
                   `commands(..)` of the one that takes it";
        fail(&["timers send `", shown, "`, the command `", command, fix], &[]);
    }
}

/// Asserts that an aggregate that a follower names has an event, or has retired it.
#[track_caller]
const fn assert_known(members: &[Member], shown: &str, from: &[&str], event: &str) {
    let mut index = 0;
    while index < from.len() {
        if let Some(member) = find(members, from[index])
            && (knows_name(members[member].events, event) || knows_name(members[member].retired, event))
        {
            return;
        }
        index += 1;
    }
    let fix = "`, and none of the aggregates in its `from(..)` has it: add its aggregate there, or take the event out of `events(..)`";
    fail(&["`", shown, "` lists the event `", event, fix], &[]);
}

/// Whether an aggregate takes the command of this name.
const fn takes_command(members: &[Member], name: &str) -> bool {
    let mut member = 0;
    while member < members.len() {
        let commands = members[member].commands;
        let mut command = 0;
        while command < commands.len() {
            if same_name(commands[command].name, name) {
                return true;
            }
            command += 1;
        }
        member += 1;
    }
    false
}

/// Asserts that several workers can share a follower.
pub const fn is_shared<H: PartitionedByStream + Clone>() {}

const fn find(members: &[Member], category: &str) -> Option<usize> {
    let mut index = 0;
    while index < members.len() {
        if same_name(members[index].category, category) {
            return Some(index);
        }
        index += 1;
    }
    None
}

/// Asserts that the commands of an aggregate can come by name, unless they are internal. The error points at the caller.
#[track_caller]
pub const fn assert_readable(member: &Member) {
    let mut index = 0;
    while index < member.commands.len() {
        let command = &member.commands[index];
        if !command.readable && !command.internal {
            let fix =
                "` can't be read from JSON: derive `Deserialize` for it, or mark it `#[command(internal)]`";
            fail(&["the command `", command.name, "` of `", member.shown, fix], &[]);
        }
        index += 1;
    }
}

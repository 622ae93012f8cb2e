//! The content of a value as its `Debug` text says it.

use std::cell::RefCell;
use std::fmt::{Debug, Write as _};

use crate::domain::content::{Content, joined, last_name, spread, struct_mark};
use crate::domain::hash::{FNV_OFFSET, hashed, mixed};

/// What a value's `Debug` text says. What stands in `{}` counts without its order.
///
/// The text has a line for each part, so that a quote or a bracket in one part is not taken for the end of another.
pub(crate) fn content_of_debug<T: Debug + ?Sized>(value: &T) -> Content {
    let mut text = String::new();
    // Not by `format!`, which panics if the value's own code fails. What it has written counts.
    let _ = write!(text, "{value:#?}");
    let structs = RefCell::default();
    let mut outer: Vec<(usize, Group)> = Vec::new();
    let mut group = Group::new(true);
    for line in text.lines() {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        while let Some((around, _)) = outer.last().filter(|(around, _)| indent <= *around) {
            let closes = indent == *around && content.starts_with(['}', ']', ')']);
            if let Some((_, around)) = outer.pop() {
                let inner = std::mem::replace(&mut group, around).end(&structs);
                group.part = mixed(group.part, inner);
            }
            if closes {
                break;
            }
            group.end_part();
        }
        match content.strip_suffix(['{', '[', '(']) {
            Some(before) => {
                group.add_field(before);
                group.part = mixed(group.part, hash_of_line(content));
                let mut inner = Group::new(!content.ends_with('{'));
                inner.name =
                    before.strip_suffix(' ').and_then(last_name).map(|name| hashed(FNV_OFFSET, name));
                outer.push((indent, std::mem::replace(&mut group, inner)));
            }
            None => {
                let part = content.strip_suffix(',').unwrap_or(content);
                group.add_field(part);
                group.part = mixed(group.part, hash_of_line(part));
                group.end_part();
            }
        }
    }
    while let Some((_, around)) = outer.pop() {
        let inner = std::mem::replace(&mut group, around).end(&structs);
        group.part = mixed(group.part, inner);
    }
    Content::new(group.end(&structs), structs)
}

/// The hash of one line of a `Debug` text, which may have whole groups.
fn hash_of_line(text: &str) -> u64 {
    let structs = RefCell::default();
    let mut outer = Vec::new();
    let mut group = Group::new(true);
    let mut rest = text.chars();
    while let Some(char) = rest.next() {
        match char {
            '"' => {
                group.add(char);
                let mut escaped = false;
                for char in rest.by_ref() {
                    group.add(char);
                    if char == '"' && !escaped {
                        break;
                    }
                    escaped = char == '\\' && !escaped;
                }
            }
            // A character that would otherwise end its group.
            '\'' if rest.as_str().chars().nth(1) == Some('\'') => {
                group.add(char);
                rest.by_ref().take(2).for_each(|char| group.add(char));
            }
            '{' | '[' | '(' => {
                group.add(char);
                outer.push(std::mem::replace(&mut group, Group::new(char != '{')));
            }
            '}' | ']' | ')' => match outer.pop() {
                Some(around) => {
                    let inner = std::mem::replace(&mut group, around).end(&structs);
                    group.part = mixed(group.part, inner);
                    group.add(char);
                }
                None => group.add(char),
            },
            ',' => group.end_part(),
            ' ' => group.has_space = true,
            char => group.add(char),
        }
    }
    while let Some(around) = outer.pop() {
        let inner = std::mem::replace(&mut group, around).end(&structs);
        group.part = mixed(group.part, inner);
    }
    group.end(&structs)
}

/// What stands between two brackets, in parts that commas separate.
struct Group {
    ordered: bool,
    hash: u64,
    part: u64,
    /// Whether there is a space before the next character, which counts within a part only.
    has_space: bool,
    /// The name of the struct, if it is one.
    name: Option<u64>,
    /// The names of its fields.
    fields: u64,
}

impl Group {
    const fn new(ordered: bool) -> Self {
        Self { ordered, hash: FNV_OFFSET, part: FNV_OFFSET, has_space: false, name: None, fields: 0 }
    }

    fn add(&mut self, char: char) {
        if std::mem::take(&mut self.has_space) && self.part != FNV_OFFSET {
            self.part = mixed(self.part, u64::from(b' '));
        }
        self.part = mixed(self.part, u64::from(char));
    }

    /// Adds the name of a field, if the part begins with one.
    fn add_field(&mut self, part: &str) {
        if let Some((name, _)) = part.split_once(": ")
            && last_name(name) == Some(name)
        {
            self.fields = self.fields.wrapping_add(spread(hashed(FNV_OFFSET, name)));
        }
    }

    fn end_part(&mut self) {
        self.hash = joined(self.ordered, self.hash, std::mem::replace(&mut self.part, FNV_OFFSET));
        self.has_space = false;
    }

    fn end(mut self, structs: &RefCell<Vec<u64>>) -> u64 {
        self.end_part();
        if let Some(name) = self.name.filter(|_| self.fields != 0) {
            structs.borrow_mut().push(struct_mark(name, self.fields));
        }
        self.hash
    }
}

//! Which events a command can lead to, as a constant.

use std::fmt;

/// The events that an `#[execute]` method can return, with how many of each: what its return type says.
///
/// It is a tree, as constants can't join lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Emitted {
    /// The event with this name, once.
    One(&'static str),
    /// These, or nothing.
    Maybe(&'static Self),
    /// These, any number of times.
    Many(&'static Self),
    /// All of these.
    All(&'static [Self]),
    /// Any events of the aggregate, any number of times.
    Any,
}

/// How many events of one name a command leads to, if it is not refused. `Display` shows `1`, `?`, `+` or `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Count {
    /// There is one in any case.
    pub is_certain: bool,
    /// There can be more than one.
    pub can_repeat: bool,
}

impl Emitted {
    /// Nothing.
    pub const NONE: Self = Self::All(&[]);

    /// Each event that can happen, once, with its number; `all` are the names of the aggregate's events.
    #[must_use]
    pub fn events(&self, all: &[&'static str]) -> Vec<(&'static str, Count)> {
        let mut events = Vec::new();
        self.collect(Count { is_certain: true, can_repeat: false }, all, &mut events);
        events
    }

    fn collect(&self, count: Count, all: &[&'static str], events: &mut Vec<(&'static str, Count)>) {
        let many = Count { is_certain: false, can_repeat: true };
        match self {
            Self::One(name) => match events.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => {
                    *known = Count { is_certain: known.is_certain || count.is_certain, can_repeat: true };
                }
                None => events.push((name, count)),
            },
            Self::Maybe(inner) => inner.collect(Count { is_certain: false, ..count }, all, events),
            Self::Many(inner) => inner.collect(many, all, events),
            Self::All(parts) => parts.iter().for_each(|part| part.collect(count, all, events)),
            Self::Any => all.iter().for_each(|name| Self::One(name).collect(many, all, events)),
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.is_certain, self.can_repeat) {
            (true, false) => "1",
            (false, false) => "?",
            (true, true) => "+",
            (false, true) => "*",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_as_their_type_says() {
        const OPENED: Emitted = Emitted::One("opened");
        const CLOSED: Emitted = Emitted::One("closed");
        let count = |emitted: Emitted| {
            let events = emitted.events(&["opened", "closed"]);
            events.iter().map(|(name, count)| format!("{name}{count}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(count(OPENED), "opened1");
        assert_eq!(count(Emitted::All(&[])), "");
        assert_eq!(count(Emitted::Maybe(&Emitted::All(&[OPENED, CLOSED]))), "opened? closed?");
        assert_eq!(count(Emitted::All(&[CLOSED, Emitted::Maybe(&OPENED), OPENED])), "closed1 opened+");
        assert_eq!(count(Emitted::All(&[Emitted::Maybe(&OPENED), Emitted::Maybe(&OPENED)])), "opened*");
        assert_eq!(count(Emitted::Many(&Emitted::Maybe(&OPENED))), "opened*");
        assert_eq!(count(Emitted::Any), "opened* closed*");
        assert_eq!(count(Emitted::All(&[OPENED, Emitted::Any])), "opened+ closed*");
    }
}

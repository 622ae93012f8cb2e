//! The generated domain: its aggregates, their commands and events, and the fields of these.

/// How commands and events are spread over aggregates.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Ten for each aggregate, about as many as real aggregates have.
    Many,
    /// All in one aggregate. Costs show here that grow faster than the number of events.
    Wide,
    /// As `Many`, with twenty for each, in an application with views and a process.
    App,
}

/// How many commands, and how many events, each aggregate has with `Shape::Many`.
const EACH: usize = 10;

/// How many commands, and how many events, each aggregate has with `Shape::App`.
const EACH_IN_APP: usize = 20;

/// One aggregate in a module of its own, with the numbers of its commands and events.
pub(crate) struct Area {
    pub(crate) index: usize,
    pub(crate) parts: std::ops::Range<usize>,
}

impl Shape {
    /// What its ratios are called.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Many => "",
            Self::Wide => "wide-",
            Self::App => "app-",
        }
    }

    pub(crate) fn areas(self, size: usize) -> Vec<Area> {
        let each = match self {
            Self::Many => EACH,
            Self::Wide => size,
            Self::App => EACH_IN_APP,
        };
        let starts = (0..size).step_by(each);
        starts
            .enumerate()
            .map(|(index, start)| Area { index, parts: start..size.min(start + each) })
            .collect()
    }
}

impl Area {
    pub(crate) fn module(&self) -> String {
        format!("area{:03}", self.index)
    }

    pub(crate) fn state(&self) -> String {
        format!("Area{:03}", self.index)
    }
}

/// One field of an event, and of the command that causes the event.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) ty: &'static str,
    /// How it changes the state. `apply` uses every field of an event.
    pub(crate) applied: &'static str,
}

const FIELDS: [Field; 7] = [
    Field { name: "title", ty: "String", applied: "self.title.clone_from(&event.title);" },
    Field { name: "cents", ty: "u64", applied: "self.cents = self.cents.wrapping_add(event.cents);" },
    Field { name: "note", ty: "Option<String>", applied: "self.note.clone_from(&event.note);" },
    Field { name: "urgent", ty: "bool", applied: "self.urgent = event.urgent;" },
    Field { name: "pages", ty: "Vec<u32>", applied: "self.pages.extend_from_slice(&event.pages);" },
    Field { name: "level", ty: "i32", applied: "self.level = event.level;" },
    Field { name: "place", ty: "Place", applied: "self.place = event.place.clone();" },
];

/// The fields of the command and the event with this number: three to five, of all types in turn.
pub(crate) fn fields(part: usize) -> impl Iterator<Item = Field> {
    FIELDS.into_iter().cycle().skip(part % FIELDS.len()).take(3 + part % 3)
}

pub(crate) fn command(part: usize) -> String {
    format!("SetPart{part:03}")
}

pub(crate) fn event(part: usize) -> String {
    format!("PartSet{part:03}")
}

/// The name of a command.
pub(crate) fn command_name(part: usize) -> String {
    format!("set-part{part:03}")
}

/// The name under which an event is stored.
pub(crate) fn stored_name(part: usize) -> String {
    format!("part-set{part:03}")
}

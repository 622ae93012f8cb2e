//! The domain that is generated: how many aggregates, of how many commands and events, with which fields.

/// How commands and events are spread over aggregates.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Ten to an aggregate: about what aggregates have.
    Many,
    /// All in one aggregate: what grows faster than the number of its events shows here.
    Wide,
}

/// How many commands, and how many events, an aggregate has in a domain of many.
const EACH: usize = 10;

/// One aggregate, which is a module: the numbers of its commands, and of the events that follow from them.
pub(crate) struct Area {
    pub(crate) index: usize,
    pub(crate) parts: std::ops::Range<usize>,
}

impl Shape {
    pub(crate) fn areas(self, size: usize) -> Vec<Area> {
        let each = if self == Self::Wide { size } else { EACH };
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

/// One field of an event, and of the command that it follows from.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) ty: &'static str,
    /// What becomes of the state: every field of an event is looked at.
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

/// The fields of the command and the event of this number: three to five, of all types in turn.
pub(crate) fn fields(part: usize) -> impl Iterator<Item = Field> {
    FIELDS.into_iter().cycle().skip(part % FIELDS.len()).take(3 + part % 3)
}

pub(crate) fn command(part: usize) -> String {
    format!("SetPart{part:03}")
}

pub(crate) fn event(part: usize) -> String {
    format!("PartSet{part:03}")
}

/// The name that an event is stored under.
pub(crate) fn stored_name(part: usize) -> String {
    format!("part-set{part:03}")
}

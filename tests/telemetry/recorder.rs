//! A subscriber that records all spans and events of this process.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_core::span::Current;

pub(crate) type Fields = BTreeMap<&'static str, String>;

/// A span or an event.
#[derive(Debug, Clone)]
pub(crate) struct Emitted {
    pub(crate) metadata: &'static Metadata<'static>,
    /// The number of the span that it is in.
    pub(crate) parent: Option<usize>,
    pub(crate) fields: Fields,
    /// The numbers of the spans that it follows from.
    pub(crate) follows: Vec<usize>,
}

impl Emitted {
    pub(crate) fn name(&self) -> &'static str {
        self.metadata.name()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

static EMITTED: Mutex<Vec<Emitted>> = Mutex::new(Vec::new());

/// What was emitted until now, in order. The place is the number of a span.
pub(crate) fn emitted() -> Vec<Emitted> {
    lock().clone()
}

/// Records from now on.
pub(crate) fn record() {
    static ONCE: LazyLock<()> = LazyLock::new(|| tracing::subscriber::set_global_default(Recorder).unwrap());
    *ONCE;
}

fn lock() -> MutexGuard<'static, Vec<Emitted>> {
    EMITTED.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    /// The spans that this thread is in.
    static ENTERED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

fn current() -> Option<usize> {
    ENTERED.with_borrow(|entered| entered.last().copied())
}

struct Recorder;

/// The id of a span is its number and 1.
fn number(id: &Id) -> usize {
    usize::try_from(id.into_u64()).unwrap() - 1
}

fn push(
    metadata: &'static Metadata<'static>,
    parent: Option<usize>,
    visit: impl FnOnce(&mut Visitor<'_>),
) -> Id {
    let mut fields = Fields::new();
    visit(&mut Visitor(&mut fields));
    let mut emitted = lock();
    emitted.push(Emitted { metadata, parent, fields, follows: Vec::new() });
    Id::from_u64(emitted.len() as u64)
}

impl Subscriber for Recorder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let parent = if span.is_contextual() { current() } else { span.parent().map(number) };
        push(span.metadata(), parent, |visitor| span.record(visitor))
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut emitted = lock();
        values.record(&mut Visitor(&mut emitted[number(span)].fields));
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        lock()[number(span)].follows.push(number(follows));
    }

    fn event(&self, event: &Event<'_>) {
        push(event.metadata(), current(), |visitor| event.record(visitor));
    }

    fn enter(&self, span: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(number(span)));
    }

    fn exit(&self, span: &Id) {
        let exited = ENTERED.with_borrow_mut(Vec::pop);
        assert_eq!(exited, Some(number(span)), "spans are left in order");
    }

    fn current_span(&self) -> Current {
        match current() {
            Some(number) => Current::new(Id::from_u64(number as u64 + 1), lock()[number].metadata),
            None => Current::none(),
        }
    }
}

struct Visitor<'f>(&'f mut Fields);

impl Visit for Visitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

//! Which streams other programs have changed, as far as their notifications say.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::mem;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::domain::hash::{FNV_OFFSET, hashed};
use crate::domain::stream_name::StreamName;
use crate::store::lock::lock;

/// How many numbers the streams share. Two streams of one number cost a read that was not needed.
const NUMBERS: usize = 1 << 14;

/// How many numbers a notification names at most. It has less than 8,000 bytes.
const MOST_NAMED: usize = 1_900;

/// Says that any stream may have changed.
const ALL: &str = "*";

/// What was heard of other programs, and what they are still to hear of this one.
pub(super) struct Changes {
    /// How often each number was heard.
    heard: Box<[AtomicU32]>,
    /// How often any stream may have changed.
    heard_all: AtomicU64,
    /// The numbers of the streams that this program has changed since its last notification.
    own: Mutex<BTreeSet<u16>>,
}

impl Default for Changes {
    fn default() -> Self {
        let heard = (0..NUMBERS).map(|_| AtomicU32::new(0)).collect();
        Self { heard, heard_all: AtomicU64::new(0), own: Mutex::default() }
    }
}

impl Changes {
    /// A number that goes up when a stream may have changed.
    pub(super) fn count(&self, stream: &StreamName) -> u64 {
        let heard = self.heard.get(usize::from(number(stream)));
        let heard = heard.map_or(0, |heard| heard.load(Ordering::SeqCst));
        self.heard_all.load(Ordering::SeqCst).wrapping_add(heard.into())
    }

    /// This program has changed these streams.
    pub(super) fn changed<'s>(&self, streams: impl Iterator<Item = &'s StreamName>) {
        lock(&self.own).extend(streams.map(number));
    }

    /// What to say in the next notification.
    pub(super) fn take_own(&self) -> BTreeSet<u16> {
        mem::take(&mut *lock(&self.own))
    }

    /// The notification was not sent.
    pub(super) fn put_back(&self, numbers: BTreeSet<u16>) {
        lock(&self.own).extend(numbers);
    }

    /// Another program has sent these numbers.
    pub(super) fn hear(&self, text: &str) {
        if text == ALL {
            return self.hear_of_all();
        }
        for number in text.split(',') {
            let number = usize::from_str_radix(number, 16).ok();
            if let Some(heard) = number.and_then(|number| self.heard.get(number)) {
                heard.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    /// Other programs may have changed streams, and their notifications are lost.
    pub(super) fn hear_of_all(&self) {
        self.heard_all.fetch_add(1, Ordering::SeqCst);
    }
}

/// The text of a notification.
pub(super) fn text(numbers: &BTreeSet<u16>) -> String {
    if numbers.len() > MOST_NAMED {
        return ALL.to_owned();
    }
    let mut text = String::new();
    for number in numbers {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}{number:x}");
    }
    text
}

/// The number of a stream, which is the same in all programs.
fn number(stream: &StreamName) -> u16 {
    let hash = hashed(FNV_OFFSET, stream.as_str());
    u16::try_from(hash % NUMBERS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_heard() {
        let (here, there) = (Changes::default(), Changes::default());
        let streams: Vec<_> = (0..5_000).map(|key| StreamName::new("tests", &key.to_string())).collect();
        let heard = |few: usize| {
            here.changed(streams.iter().take(few));
            let before: Vec<_> = streams.iter().map(|stream| there.count(stream)).collect();
            let text = text(&here.take_own());
            assert!(text.len() < 7_990, "{}", text.len());
            there.hear(&text);
            streams
                .iter()
                .zip(before)
                .map(|(stream, before)| there.count(stream) > before)
                .collect::<Vec<_>>()
        };
        for few in [1, 10, 1_000] {
            let heard = heard(few);
            assert!(heard.iter().take(few).all(|heard| *heard));
            assert!(heard.iter().any(|heard| !heard), "not all streams have changed");
        }
        assert!(heard(5_000).iter().all(|heard| *heard));
        assert!(here.take_own().is_empty());
        there.hear("no numbers, and 99999");
    }
}

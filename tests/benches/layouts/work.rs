//! The columns of the table of layouts: what every layout has to do in each round.

use std::rc::Rc;
use std::time::Instant;

use crate::account::Account;
use crate::content::{Append, Stream};
use crate::database::{Database, Durability};
use crate::history::History;
use crate::read::{load, scan};
use crate::sizes::Sizes;
use crate::turns::Random;
use crate::write::writer;

/// What is measured.
#[derive(Clone, Copy)]
pub(crate) enum Measure {
    /// One event a commit, the first of its stream.
    Fresh(Durability),
    /// One event a commit, all for one stream that is there for long.
    OneStream(Durability),
    /// 100 new streams a commit, with an event each.
    NewStreams,
    /// 100 events a commit, for one new stream.
    NewStream,
    /// 100 old streams a commit, with an event each.
    OldStreams,
    /// Streams of the given group of the file that is read.
    Load(usize),
    Scan,
}

pub(crate) const MEASURES: [(&str, Measure); 11] = [
    ("fresh, FULL (commits/s)", Measure::Fresh(Durability::Full)),
    ("fresh, NORMAL", Measure::Fresh(Durability::Normal)),
    ("one stream, FULL", Measure::OneStream(Durability::Full)),
    ("one stream, NORMAL", Measure::OneStream(Durability::Normal)),
    ("100 new streams a commit (events/s)", Measure::NewStreams),
    ("100 events of a new stream", Measure::NewStream),
    ("100 old streams", Measure::OldStreams),
    ("load 10", Measure::Load(0)),
    ("load 1,000", Measure::Load(1)),
    ("load 10,000", Measure::Load(2)),
    ("scan", Measure::Scan),
];

/// The files of one layout.
pub(crate) struct Subject {
    /// Grows as it is measured; all layouts' files by the same.
    pub(crate) written: Database,
    pub(crate) read: Database,
}

/// What one round of one measure does, for all layouts the same.
pub(crate) enum Work {
    Write { durability: Durability, commits: Vec<Vec<Append>> },
    Load(Vec<Rc<Stream>>),
    Scan,
}

/// What reading must come to: nothing if nothing was read.
pub(crate) type Sums = Option<(Account, usize)>;

impl Work {
    /// Gives how many a second, and the sums of what was read.
    pub(crate) fn run(&self, subject: &Subject) -> rusqlite::Result<(f64, Sums)> {
        match self {
            Self::Write { durability, commits } => {
                subject.written.set_durability(*durability)?;
                subject.written.checkpoint()?;
                let mut writer = writer(&subject.written);
                let start = Instant::now();
                commits.iter().try_for_each(|commit| writer.commit(commit))?;
                let seconds = start.elapsed().as_secs_f64();
                Ok((f64::from(events(commits)) / seconds, None))
            }
            Self::Load(streams) => {
                let start = Instant::now();
                let mut sums = Account::default();
                for stream in streams {
                    sums.add(&load(&subject.read, stream)?);
                }
                Ok((f64::from(sums.events) / start.elapsed().as_secs_f64(), Some((sums, 0))))
            }
            Self::Scan => {
                let start = Instant::now();
                let sums = scan(&subject.read)?;
                Ok((f64::from(sums.0.events) / start.elapsed().as_secs_f64(), Some(sums)))
            }
        }
    }
}

pub(crate) fn events(commits: &[Vec<Append>]) -> u32 {
    let events: usize = commits.iter().flatten().map(|append| append.events.len()).sum();
    u32::try_from(events).expect("there are not so many")
}

/// Makes work, and remembers how far streams have come by it.
pub(crate) struct Planner<'s> {
    sizes: &'s Sizes,
    /// Of the file that is written to, with their versions.
    old: Vec<(Rc<Stream>, i64)>,
    read: &'s History,
    random: Random,
}

impl<'s> Planner<'s> {
    /// `version`: of all streams of `written`.
    pub(crate) fn new(sizes: &'s Sizes, written: &History, version: i64, read: &'s History) -> Self {
        let old = written.streams.iter().flatten().map(|stream| (Rc::clone(stream), version)).collect();
        Self { sizes, old, read, random: Random::new() }
    }

    pub(crate) fn plan(&mut self, measure: Measure) -> Work {
        match measure {
            Measure::Fresh(durability) => {
                write(durability, (0..self.commits(durability)).map(|_| vec![Append::fresh()]))
            }
            Measure::OneStream(durability) => {
                let stream = self.random.below(self.old.len());
                let commits = self.commits(durability);
                write(durability, (0..commits).map(|_| vec![self.next_of(stream)]))
            }
            Measure::NewStreams => {
                let batch = || (0..100).map(|_| Append::fresh()).collect();
                write(Durability::Normal, (0..self.sizes.batches).map(|_| batch()))
            }
            Measure::NewStream => {
                let batch = || vec![Append::new(&Stream::new(), 0, 100)];
                write(Durability::Normal, (0..self.sizes.batches).map(|_| batch()))
            }
            Measure::OldStreams => write(
                Durability::Normal,
                (0..self.sizes.batches).map(|_| {
                    let stream = self.random.below(self.old.len());
                    (0..100).map(|other| self.next_of((stream + other * 7) % self.old.len())).collect()
                }),
            ),
            Measure::Load(group) => {
                let streams = &self.read.streams[group];
                let mut order: Vec<_> = (0..streams.len()).collect();
                self.random.shuffle(&mut order);
                order.truncate(self.sizes.read_streams[group].loaded);
                Work::Load(order.into_iter().map(|stream| Rc::clone(&streams[stream])).collect())
            }
            Measure::Scan => Work::Scan,
        }
    }

    fn commits(&self, durability: Durability) -> u32 {
        match durability {
            Durability::Full => self.sizes.full,
            Durability::Normal => self.sizes.normal,
        }
    }

    fn next_of(&mut self, stream: usize) -> Append {
        let (stream, version) = &mut self.old[stream];
        *version += 1;
        Append::new(stream, *version - 1, 1)
    }
}

/// Collected here and now: nothing of it is to be made while the clock runs.
fn write(durability: Durability, commits: impl Iterator<Item = Vec<Append>>) -> Work {
    Work::Write { durability, commits: commits.collect() }
}

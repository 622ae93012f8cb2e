//! Streams that have grown beside each other.

use std::rc::Rc;

use crate::content::{Append, Stream};
use crate::database::Database;
use crate::turns::Random;
use crate::write::writer;

/// Only the order of events decides what the file looks like, and large commits make it faster.
const COMMIT: usize = 5_000;

pub(crate) struct History {
    /// By the number of their events, as they were asked for.
    pub(crate) streams: Vec<Vec<Rc<Stream>>>,
    appends: Vec<Append>,
}

impl History {
    /// Pairs of a number of events and how many streams have so many. Each stream grows evenly from beginning to end,
    /// and so its events lie far from each other.
    pub(crate) fn new(groups: &[(u32, usize)], random: &mut Random) -> Self {
        let mut moments = Vec::new();
        for (group, &(events, streams)) in groups.iter().enumerate() {
            for stream in 0..streams {
                let phase = f64::from(random.next()) / f64::from(u32::MAX >> 1);
                moments.extend(
                    (0..events).map(|event| ((f64::from(event) + phase) / f64::from(events), group, stream)),
                );
            }
        }
        moments.sort_by(|a, b| a.0.total_cmp(&b.0));
        // A stream gets its id with its first event: ids follow time, as positions do.
        let mut made: Vec<_> = groups.iter().map(|&(_, streams)| vec![None; streams]).collect();
        let mut appends = Vec::with_capacity(moments.len());
        for (_, group, stream) in moments {
            let (stream, version) = made[group][stream].get_or_insert_with(|| (Stream::new(), 0_i64));
            appends.push(Append::new(stream, *version, 1));
            *version += 1;
        }
        let streams = made
            .into_iter()
            .map(|group| group.into_iter().flatten().map(|(stream, _)| stream).collect())
            .collect();
        Self { streams, appends }
    }

    pub(crate) fn events(&self) -> usize {
        self.appends.len()
    }

    pub(crate) fn store(&self, database: &Database) -> rusqlite::Result<()> {
        let mut writer = writer(database);
        self.appends.chunks(COMMIT).try_for_each(|appends| writer.commit(appends))
    }
}

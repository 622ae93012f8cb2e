//! The process whose memory is measured.

use std::error::Error;
use std::fs;
use std::path::Path;

use factum::prelude::*;

use crate::account::{Account, MoneyDeposited, Replayed};
use crate::open;

/// The account with the long stream.
pub(crate) const KEY: &str = "long";

/// A view as small as the aggregate's state.
#[derive(Default, Projection)]
#[projection(events(MoneyDeposited), from(Account))]
struct Total {
    cents: u64,
    deposits: u64,
}

#[handlers]
impl Total {
    #[project]
    fn deposited(&mut self, event: &MoneyDeposited) {
        self.cents += event.cents;
        self.deposits += 1;
    }
}

/// Loads the aggregate from its first event, reads all streams for a view, and prints its peak memory in KiB.
pub(crate) fn read(path: &Path, events: u64, cache_bytes: u32) -> Result<(), Box<dyn Error>> {
    let store = open(path, cache_bytes)?;
    let loaded = store.repository::<Replayed>().load(&KEY.to_owned())?;
    assert_eq!(loaded.state().deposits, events);
    let mut total = MemoryProjection::new(&store, Total::default());
    total.catch_up()?;
    let Total { cents, deposits } = total.into_view();
    assert!(deposits >= events && cents > deposits, "no event is missing, those of other writers included");
    println!("{}", peak()?);
    Ok(())
}

/// The largest resident set of this process, in KiB, as Linux reports it.
fn peak() -> Result<u32, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let size = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(size.ok_or("/proc/self/status has no `VmHWM` in kB")?.parse()?)
}

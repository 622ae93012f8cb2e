//! Lanes: the commands of one process to one aggregate take turns, and need not wait for each other's commits.
//!
//! A command decides on the state that its predecessor has decided, the *tip*, before that state is stored. Its
//! append is queued behind the predecessor's, so that one commit stores both, in order. A caller gets its answer
//! after the commit of all that the answer rests on.
//!
//! * What holds is the queue: an append rests on the [epoch](Chain) of its lane, which ends if an append of it
//!   is not stored, and on its expected version.
//! * A turn is a lease that saves decisions in vain. A handler that blocks loses it, a handler that commands its
//!   own aggregate gets none, and each wait for a turn ends with a lease. A command whose lease has ended is at
//!   worst a conflict.
//! * No lock of a lane is held while user code runs, not even the `Drop` of a state.
//!
//! A lane exists while a command of its aggregate is running.

use std::hash::BuildHasher as _;
use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::repository::replay::Replay;
use crate::store::queue::{Chain, QueueError};
use crate::store::sync::thread::{self, ThreadId};
use crate::store::sync::{AtomicU64, Condvar, Mutex, MutexGuard, lock};

/// How many locks the lanes of a repository share.
const SHARDS: usize = 16;

/// How many lanes without commands each shard keeps for reuse: making one allocates.
const SPARE: usize = 8;

/// How long a command has its first turn for itself. Each further turn lasts twice as long, so that a slow
/// handler gets through in the end.
///
/// Longer than the system keeps a thread from running on a busy machine: a command that decides must not lose
/// its turn for that.
const LEASE: Duration = Duration::from_millis(100);

/// How many appends of a lane may wait for their answers before the next command is decided. If one of them fails, all
/// after it are decided again. With 64, commits of 256 threads are too small: on one aggregate, these come to a third of
/// the commands that they come to on 256 aggregates (`cargo bench -p factum-tests --bench turns -- full threads=256`).
const MOST_IN_FLIGHT: usize = 256;

/// How long a command waits for its turn until newcomers let it go first, and how often one that waits for an
/// answer of the store looks for it.
const PATIENCE: Duration = if cfg!(factum_shuttle) { Duration::ZERO } else { Duration::from_millis(10) };

/// For how long a command waits for the answers of others. After that it is decided on what is stored.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The lanes of a repository and its clones.
pub(crate) struct Lanes<A> {
    shards: [Arc<Mutex<Shard<A>>>; SHARDS],
    hasher: DefaultHashBuilder,
}

struct Shard<A> {
    /// A table that takes hashes: each command hashes the name of its stream once.
    used: HashTable<(StreamName, Arc<Lane<A>>)>,
    spare: Vec<Arc<Lane<A>>>,
}

/// The lane of one aggregate.
struct Lane<A> {
    state: Mutex<LaneState<A>>,
    /// Wakes a command that waits for its turn.
    turn_is_free: Condvar,
    /// Wakes a command that has waited for its turn for longer than [`PATIENCE`].
    turn_is_due: Condvar,
    /// Wakes the commands that wait for an answer of the store.
    answered: Condvar,
    epoch: Arc<AtomicU64>,
}

struct LaneState<A> {
    /// How many commands are in the lane.
    users: usize,
    turn: TurnState,
    tip: Option<Tip<A>>,
    /// The number of the newest tip.
    tips: u64,
    /// The newest epoch in which something was stored.
    proven: u64,
    /// How many appends are queued and not answered.
    in_flight: usize,
    /// How many appends were queued since the lane was made.
    queued: u64,
    /// How many commands wait for an answer of the store. Even a notification that wakes none is a system call.
    awaiting: usize,
    /// The idempotency keys of these appends.
    keys: Vec<Arc<str>>,
    settled: Settled<A>,
}

impl<A> LaneState<A> {
    fn has_key(&self, key: &str) -> bool {
        self.keys.iter().any(|queued| &**queued == key)
    }
}

/// The newest state that was put into the cache, with the snapshot that was taken then. A tip knows neither.
struct Settled<A> {
    /// A command is putting its state into the cache, and takes a snapshot if one is due.
    is_busy: bool,
    /// A newer state, which that command puts there next.
    next: Option<Replay<A>>,
    version: u64,
    snapshot: u64,
    since: Option<Timestamp>,
}

impl<A> Default for Settled<A> {
    fn default() -> Self {
        Self { is_busy: false, next: None, version: 0, snapshot: 0, since: None }
    }
}

#[derive(Default)]
struct TurnState {
    holder: Option<ThreadId>,
    /// Goes up when the turn is given back, or passes on without that.
    number: u64,
    /// Goes up while the command with the turn waits for answers of the store: its lease is for its handler.
    renewals: u64,
    /// How many times the lease of the present turn is doubled.
    doubled: u32,
    waiting: usize,
    /// How many of the waiting have waited for longer than [`PATIENCE`]. Newcomers let them go first.
    hungry: usize,
}

/// The state that the newest queued append leads to.
struct Tip<A> {
    number: u64,
    replay: Replay<A>,
    epoch: u64,
    /// The append is stored, so the cache and the store have the state as well.
    is_stored: bool,
    /// The first append after a failure. Nothing is decided on it before it is stored: with a full disk, n
    /// commands would take n² decisions.
    is_probe: bool,
}

/// The place in a lane's history that a command is decided at.
pub(crate) struct Base<A> {
    pub(crate) replay: Replay<A>,
    pub(crate) standing: Standing,
    epoch: u64,
    /// The number of the tip; 0 without one.
    tip: u64,
}

/// How far a state can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The store had it a moment ago.
    Read,
    /// It is that of a hot aggregate, and was not compared with the store. The append compares it, and each other
    /// answer has to.
    Unread,
    /// It is not stored yet. Each answer has to wait until it is.
    Uncommitted,
}

impl<A> Lanes<A> {
    pub(crate) fn new() -> Self {
        let shard = || Arc::new(Mutex::new(Shard { used: HashTable::new(), spare: Vec::new() }));
        Self { shards: std::array::from_fn(|_| shard()), hasher: DefaultHashBuilder::default() }
    }

    /// Enters the lane of a stream. The lane exists until the last command has left.
    pub(crate) fn enter(&self, stream: &StreamName) -> InLane<A> {
        let hash = self.hasher.hash_one(stream);
        let shard = Arc::clone(self.shard(hash));
        let mut lanes = lock(&shard);
        let Shard { used, spare } = &mut *lanes;
        let lane = match used.find(hash, |(name, _)| name == stream) {
            Some((_, lane)) => Arc::clone(lane),
            None => {
                let lane = spare.pop().unwrap_or_else(|| Arc::new(Lane::new()));
                let entry = (stream.clone(), Arc::clone(&lane));
                used.insert_unique(hash, entry, |(name, _)| self.hasher.hash_one(name));
                lane
            }
        };
        lock(&lane.state).users += 1;
        drop(lanes);
        InLane { shard, stream: stream.clone(), hash, lane }
    }

    /// The shard by bits of the hash that its table does not look at first.
    fn shard(&self, hash: u64) -> &Arc<Mutex<Shard<A>>> {
        let [first, ..] = &self.shards;
        usize::try_from((hash >> 32) % SHARDS as u64)
            .ok()
            .and_then(|index| self.shards.get(index))
            .unwrap_or(first)
    }
}

impl<A> Lane<A> {
    fn new() -> Self {
        let state = LaneState {
            users: 0,
            turn: TurnState::default(),
            tip: None,
            tips: 0,
            proven: 0,
            in_flight: 0,
            queued: 0,
            awaiting: 0,
            keys: Vec::new(),
            settled: Settled::default(),
        };
        Self {
            state: Mutex::new(state),
            turn_is_free: Condvar::new(),
            turn_is_due: Condvar::new(),
            answered: Condvar::new(),
            epoch: Arc::default(),
        }
    }

    /// Waits for an answer of the store, or for a moment.
    fn await_answer<'g>(&self, mut state: MutexGuard<'g, LaneState<A>>) -> MutexGuard<'g, LaneState<A>> {
        state.awaiting += 1;
        let waited = self.answered.wait_timeout(state, PATIENCE);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.awaiting -= 1;
        state
    }

    /// Wakes the commands that wait for an answer.
    fn wake_awaiting(&self, state: MutexGuard<'_, LaneState<A>>) {
        let is_awaited = state.awaiting > 0;
        drop(state);
        if is_awaited {
            self.answered.notify_all();
        }
    }
}

/// A command in the lane of its aggregate.
pub(crate) struct InLane<A> {
    shard: Arc<Mutex<Shard<A>>>,
    stream: StreamName,
    hash: u64,
    lane: Arc<Lane<A>>,
}

impl<A> InLane<A> {
    /// Waits for the turn. `None` if this thread has it already: a handler that commands its own aggregate can't
    /// wait for itself.
    ///
    /// The turn of a command that keeps it for longer than its lease passes on.
    pub(crate) fn take_turn(&self, failed: u32) -> Option<Turn<'_, A>> {
        let me = thread::current().id();
        let mut state = lock(&self.lane.state);
        if state.turn.holder == Some(me) {
            return None;
        }
        if state.turn.holder.is_some() || state.turn.hungry > 0 {
            state = self.wait_for_turn(state);
        }
        (state.turn.holder, state.turn.doubled) = (Some(me), failed);
        Some(Turn { lane: &self.lane, number: state.turn.number })
    }

    fn wait_for_turn<'g>(&self, mut state: MutexGuard<'g, LaneState<A>>) -> MutexGuard<'g, LaneState<A>> {
        let since = Instant::now();
        let mut is_hungry = false;
        state.turn.waiting += 1;
        loop {
            let seen = (state.turn.number, state.turn.renewals);
            let lease = LEASE * (1 << state.turn.doubled.min(8));
            let turn_is_free = if is_hungry { &self.lane.turn_is_due } else { &self.lane.turn_is_free };
            let (woken, timeout) =
                turn_is_free.wait_timeout(state, lease).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            let turn = &mut state.turn;
            let is_late =
                timeout.timed_out() && (turn.number, turn.renewals) == seen && turn.holder.is_some();
            if is_late || (turn.holder.is_none() && (is_hungry || turn.hungry == 0)) {
                // The command whose lease has ended must not give back the turn of its successor.
                turn.number += u64::from(is_late);
                turn.waiting -= 1;
                turn.hungry -= usize::from(is_hungry);
                return state;
            }
            if !is_hungry && since.elapsed() > PATIENCE {
                is_hungry = true;
                turn.hungry += 1;
            }
        }
    }

    /// The state to decide on: the tip, or what `read` finds in the cache or in the store.
    pub(crate) fn base<E>(
        &self,
        read: impl FnOnce() -> Result<(Replay<A>, Standing), E>,
    ) -> Result<Base<A>, E> {
        let until = Instant::now() + LONGEST_WAIT;
        let mut doomed = None;
        let mut state = lock(&self.lane.state);
        let (epoch, tip) = loop {
            let epoch = self.lane.epoch.load(Ordering::SeqCst);
            match &state.tip {
                None => break (epoch, 0),
                // While a newer state is on its way into the cache, the cache may still have an older one.
                Some(tip) if tip.epoch == epoch && tip.is_stored && !state.settled.is_busy => {
                    break (epoch, tip.number);
                }
                Some(tip)
                    if tip.epoch == epoch
                        && !tip.is_probe
                        && (state.in_flight < MOST_IN_FLIGHT || Instant::now() >= until) =>
                {
                    let replay = tip.replay.clone();
                    return Ok(Base { replay, standing: Standing::Uncommitted, epoch, tip: tip.number });
                }
                // The tip has failed, is a probe, or is one of too many. What is queued will fail, or will be stored.
                Some(_) if state.in_flight > 0 && Instant::now() < until => {
                    if state.turn.holder == Some(thread::current().id()) {
                        state.turn.renewals += 1;
                    }
                    state = self.lane.await_answer(state);
                }
                Some(_) => doomed = state.tip.take(),
            }
        };
        drop(state);
        drop(doomed);
        let (replay, standing) = read()?;
        Ok(Base { replay, standing, epoch, tip })
    }

    /// How many appends were queued until now; `None` while one waits for its answer.
    pub(crate) fn queued(&self) -> Option<u64> {
        let state = lock(&self.lane.state);
        (state.in_flight == 0 && !state.settled.is_busy).then_some(state.queued)
    }

    /// Waits until no append with this idempotency key is queued.
    fn wait_for_key(&self, key: &str) {
        let until = Instant::now() + LONGEST_WAIT;
        let mut state = lock(&self.lane.state);
        while state.has_key(key) && Instant::now() < until {
            state = self.lane.await_answer(state);
        }
    }

    /// Takes the turn of a command, at a time at which no append with its idempotency key is queued.
    pub(crate) fn take_turn_with_key(&self, failed: u32, key: Option<&str>) -> Option<Turn<'_, A>> {
        let turn = self.take_turn(failed);
        let Some(key) = key.filter(|key| lock(&self.lane.state).has_key(key)) else { return turn };
        drop(turn);
        self.wait_for_key(key);
        self.take_turn(failed)
    }

    /// Locks the lane for a moment, to queue an append that was decided on `base`.
    pub(crate) fn lock(&self) -> LockedLane<'_, A> {
        LockedLane { lane: &self.lane, state: lock(&self.lane.state) }
    }

    /// A place in an order of all lanes, in which several are locked.
    pub(crate) fn order(&self) -> usize {
        Arc::as_ptr(&self.lane).addr()
    }

    /// The stream of the lane.
    pub(crate) fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// Puts a stored state where the next command finds it, by `remember`, unless a newer one is there.
    pub(crate) fn settle(&self, flight: &Flight<A>, replay: &Replay<A>, remember: impl Fn(&mut Replay<A>)) {
        let mut replaced = None;
        let mut state = lock(&self.lane.state);
        state.proven = state.proven.max(flight.epoch);
        let settled = &mut state.settled;
        if replay.version > settled.version && settled.is_busy {
            if settled.next.as_ref().is_none_or(|next| next.version < replay.version) {
                replaced = settled.next.replace(replay.clone());
            }
        } else if replay.version > settled.version {
            settled.is_busy = true;
            let busy = Settling { lane: &self.lane };
            let mut newest = replay.clone();
            loop {
                let settled = &mut state.settled;
                settled.version = newest.version;
                if settled.snapshot > newest.snapshot {
                    (newest.snapshot, newest.since) = (settled.snapshot, settled.since);
                }
                drop(state);
                remember(&mut newest);
                state = lock(&self.lane.state);
                (state.settled.snapshot, state.settled.since) = (newest.snapshot, newest.since);
                match state.settled.next.take() {
                    Some(next) => newest = next,
                    None => break,
                }
            }
            state.settled.is_busy = false;
            drop(state);
            mem::forget(busy);
            drop(newest);
            state = lock(&self.lane.state);
        }
        if let Some(tip) = &mut state.tip
            && tip.number == flight.tip
        {
            tip.is_stored = true;
        }
        // A probe is stored.
        self.lane.wake_awaiting(state);
        drop(replaced);
    }
}

/// Ends the time in which one command settles its state, also after a panic.
struct Settling<'l, A> {
    lane: &'l Lane<A>,
}

impl<A> Drop for Settling<'_, A> {
    fn drop(&mut self) {
        lock(&self.lane.state).settled.is_busy = false;
    }
}

impl<A> Drop for InLane<A> {
    fn drop(&mut self) {
        let mut shard = lock(&self.shard);
        let mut state = lock(&self.lane.state);
        state.users -= 1;
        if state.users > 0 {
            return;
        }
        let left = (state.tip.take(), mem::take(&mut state.settled));
        drop(state);
        if let Ok(entry) = shard.used.find_entry(self.hash, |(name, _)| *name == self.stream) {
            let ((_, lane), _) = entry.remove();
            if shard.spare.len() < SPARE {
                shard.spare.push(lane);
            }
        }
        drop(shard);
        // The destructors of states are the user's code.
        drop(left);
    }
}

/// The turn of a command in its lane, for as long as its lease lasts.
pub(crate) struct Turn<'l, A> {
    lane: &'l Lane<A>,
    number: u64,
}

impl<A> Drop for Turn<'_, A> {
    fn drop(&mut self) {
        let mut state = lock(&self.lane.state);
        let turn = &mut state.turn;
        // Otherwise the lease has ended, and another command has the turn.
        if turn.number == self.number {
            turn.number += 1;
            turn.holder = None;
            match (turn.hungry, turn.waiting) {
                (0, 0) => {}
                (0, _) => self.lane.turn_is_free.notify_one(),
                // One alone: with hundreds that wait, to wake all at each turn takes longer than their commands.
                _ => self.lane.turn_is_due.notify_one(),
            }
        }
    }
}

/// A lane that stays as it is until the append of a command is queued.
pub(crate) struct LockedLane<'l, A> {
    lane: &'l Arc<Lane<A>>,
    state: MutexGuard<'l, LaneState<A>>,
}

impl<A> LockedLane<'_, A> {
    /// What an append rests on that was decided on `base`. If `leads_on`, it leads to another state, on which
    /// others may be decided.
    ///
    /// Fails if `base` was not stored: the command has to be decided again. Another command may have come first,
    /// after the turn was lost: then the append is a conflict at worst.
    pub(crate) fn chain(&self, base: &Base<A>, leads_on: bool) -> Result<Option<Chain>, QueueError> {
        let epoch = self.lane.epoch.load(Ordering::SeqCst);
        if epoch != base.epoch {
            // A stored state can't fail any more.
            return if base.standing == Standing::Read { Ok(None) } else { Err(QueueError::Void) };
        }
        let is_base = leads_on && self.is_at(base);
        let chain = || Chain::new(&self.lane.epoch, epoch, is_base);
        Ok(match base.standing {
            Standing::Read => is_base.then(|| chain().of_stored()),
            Standing::Uncommitted => Some(chain()),
            Standing::Unread => Some(chain().after(base.replay.event)),
        })
    }

    /// Whether no other command was queued in the meantime.
    pub(crate) fn is_at(&self, base: &Base<A>) -> bool {
        let epoch = self.lane.epoch.load(Ordering::SeqCst);
        let tip = self.state.tip.as_ref().filter(|tip| tip.epoch == epoch).map_or(0, |tip| tip.number);
        (epoch, tip) == (base.epoch, base.tip)
    }

    /// Notes that an append is queued, with this idempotency key. If others may rest on it, it leads to `next`.
    pub(crate) fn queued<'k>(
        mut self,
        base: &Base<A>,
        next: Option<impl FnOnce() -> Replay<A>>,
        keys: impl Iterator<Item = &'k str>,
    ) -> Flight<A> {
        let state = &mut *self.state;
        state.in_flight += 1;
        state.queued += 1;
        let keys: Vec<Arc<str>> = keys.map(Arc::from).collect();
        state.keys.extend_from_slice(&keys);
        let (tip, replaced) = match next {
            Some(next) => {
                state.tips += 1;
                let tip = Tip {
                    number: state.tips,
                    replay: next(),
                    epoch: base.epoch,
                    is_stored: false,
                    is_probe: state.proven != base.epoch,
                };
                (state.tips, state.tip.replace(tip))
            }
            None => (0, None),
        };
        Flight {
            lane: Arc::clone(self.lane),
            epoch: base.epoch,
            tip,
            keys,
            is_answered: false,
            _replaced: replaced,
        }
    }
}

/// An append that is queued and not answered.
pub(crate) struct Flight<A> {
    lane: Arc<Lane<A>>,
    epoch: u64,
    /// The number of its tip; 0 if it has none.
    tip: u64,
    keys: Vec<Arc<str>>,
    is_answered: bool,
    /// Dropped without the lock.
    _replaced: Option<Tip<A>>,
}

impl<A> Flight<A> {
    /// Notes that the append is answered, before its state is settled. A task that settles may have to wait for a thread,
    /// while the commands that have one wait for the answer.
    pub(crate) fn answered(&mut self) {
        if mem::replace(&mut self.is_answered, true) {
            return;
        }
        let mut state = lock(&self.lane.state);
        state.in_flight -= 1;
        if !self.keys.is_empty() {
            state.keys.retain(|queued| !self.keys.iter().any(|key| Arc::ptr_eq(queued, key)));
        }
        self.lane.wake_awaiting(state);
    }
}

impl<A> Drop for Flight<A> {
    fn drop(&mut self) {
        self.answered();
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::iter;
    use std::sync::mpsc::channel;

    use super::*;
    use crate::domain::position::Position;

    fn state(version: u64) -> Replay<()> {
        let position = Position::new(version);
        Replay {
            state: Arc::new(()),
            version,
            position,
            event: None,
            foreign_changes: 0,
            snapshot: 0,
            since: None,
        }
    }

    fn base(lane: &InLane<()>) -> Base<()> {
        lane.base(|| Ok::<_, Infallible>((state(0), Standing::Read))).unwrap()
    }

    /// As many appends on their way as there may be.
    fn fill(lane: &InLane<()>) -> Vec<Flight<()>> {
        let fly = |version| {
            // Before the lane is locked.
            let base = base(lane);
            lane.lock().queued(&base, Some(|| state(version)), iter::empty())
        };
        (1..).map(fly).take(MOST_IN_FLIGHT).collect()
    }

    /// With as many appends on their way as there may be, the next command waits for an answer.
    #[test]
    fn appends_in_flight_are_bounded() {
        let lanes = Lanes::new();
        let lane = lanes.enter(&StreamName::new("s", "1"));
        let mut flights = fill(&lane);
        let (decide, decided) = channel();
        thread::scope(|scope| {
            scope.spawn(|| decide.send(base(&lane).replay.version).unwrap());
            assert!(decided.recv_timeout(PATIENCE).is_err(), "the command does not wait");
            drop(flights.pop());
            assert_eq!(decided.recv().unwrap(), MOST_IN_FLIGHT as u64, "on the newest state all the same");
        });
    }

    /// A command whose state is not settled yet keeps no other from its decision.
    #[test]
    fn an_answered_append_is_no_longer_in_flight() {
        let lanes = Lanes::new();
        let lane = lanes.enter(&StreamName::new("s", "1"));
        let mut flights = fill(&lane);
        flights.iter_mut().for_each(Flight::answered);
        assert_eq!(lock(&lane.lane.state).in_flight, 0);
        drop(flights);
        assert_eq!(lock(&lane.lane.state).in_flight, 0, "each counts once");
    }

    /// Otherwise the next command would be decided on the state of the one that waits, and be a conflict.
    #[test]
    fn a_command_that_waits_for_answers_keeps_its_turn() {
        let lanes = Lanes::new();
        let lane = lanes.enter(&StreamName::new("s", "1"));
        let mut flights = fill(&lane);
        let (say, said) = channel();
        let turn = || lane.take_turn(0).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let turn = turn();
                say.send("waits").unwrap();
                drop(base(&lane));
                say.send("is decided").unwrap();
                drop(turn);
            });
            assert_eq!(said.recv().unwrap(), "waits");
            scope.spawn(|| {
                let turn = turn();
                say.send("comes next").unwrap();
                drop(turn);
            });
            thread::sleep(LEASE * 3);
            drop(flights.pop());
            assert_eq!([said.recv().unwrap(), said.recv().unwrap()], ["is decided", "comes next"]);
        });
    }
}

//! The turns of the commands in a lane: each has one for as long as its lease lasts.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::repository::lanes::{InLane, LONGEST_WAIT, Lane, LaneState, PATIENCE};
use crate::store::sync::thread::{self, ThreadId};
use crate::store::sync::{MutexGuard, lock};

/// How long a command has its first turn for itself. Each further turn lasts twice as long, so that a slow
/// handler gets through in the end.
///
/// Longer than the system keeps a thread from running on a busy machine: a command that decides must not lose
/// its turn for that.
pub(super) const LEASE: Duration = Duration::from_millis(100);

#[derive(Default)]
pub(super) struct TurnState {
    pub(super) holder: Option<ThreadId>,
    /// Goes up when the turn is given back, or passes on without that.
    pub(super) number: u64,
    /// Goes up while the command with the turn waits for answers of the store: its lease is for its handler.
    pub(super) renewals: u64,
    /// How many times the lease of the present turn is doubled.
    pub(super) doubled: u32,
    pub(super) waiting: usize,
    /// How many of the waiting have waited for longer than [`PATIENCE`]. Newcomers let them go first.
    pub(super) hungry: usize,
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
}

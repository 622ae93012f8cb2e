//! The leases of a follower's partitions: how the programs that run it share its work.
//!
//! A program with several workers takes a *seat* first, a lease that only says that the program is there. From the seats that are
//! taken, each program knows how many partitions are its share. It takes as many leases, and hands over those beyond its share
//! between two steps.
//!
//! A program runs all partitions of its share for as long as it has a seat. In a run that ends worker by worker, as a catch-up, no
//! worker is left for some partitions. So the run gives up its seat when its first worker ends: the other programs share all
//! partitions. It keeps those that it has, and still takes those that no program has: its other workers wait until these are done.
//!
//! If the streams are split into another number of partitions than there are workers, a program takes the leases of all
//! partitions, or none. So programs with different numbers of workers never have some each.

use std::io;
use std::iter::repeat;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::domain::position::Position;
use crate::follow::checkpoint;
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::FollowError;
use crate::follow::lease::{LeaseAnswer, LeaseHolder, LeaseInfo};
use crate::follow::lease_keeper::{KeptLease, LeaseKeeper};
use crate::follow::partitions::PartitionPositions;
use crate::follow::progress_store::ProgressStore;
use crate::follow::state::PartitionPlace;
use crate::store::error::StoreError;
use crate::store::lock::lock;
use crate::store::partition::Partition;

/// How soon a runner looks again while things are about to change.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How long the positions that one worker has read serve the others.
const FRESH: Duration = Duration::from_millis(4);

/// The leases that one run of a follower has, and asks for.
#[derive(Debug)]
pub(crate) struct PartitionLeases {
    follower: &'static str,
    workers: u32,
    /// The lease of the first partition has the follower's name.
    first: LeaseHolder,
    /// Never locked while the database is asked: a step may hold that, and look here.
    state: Mutex<State>,
    /// How far all partitions are, and when that was read.
    stored: Mutex<Option<(Instant, PartitionPositions)>>,
}

#[derive(Debug)]
struct State {
    /// At least one for each worker, and for each partition of the last look.
    partitions: Vec<Claim>,
    /// One for each worker.
    seats: Vec<Claim>,
    /// Into how many partitions the streams are split, as far as the workers know.
    split: u32,
    are_kept: bool,
    next_look: Instant,
    /// A worker looks at the moment.
    is_looking: bool,
}

/// A lease that the run may have.
#[derive(Debug)]
struct Claim {
    holder: LeaseHolder,
    /// Renews the lease.
    kept: Option<KeptLease>,
    /// Another program gets the lease, once the worker is between two steps.
    leaves: bool,
    /// The worker of the partition has ended.
    is_over: bool,
}

/// What a look has decided.
#[derive(Debug, Default)]
struct Plan {
    /// Leases to take, in the order in which all programs take and renew them: otherwise two could wait for each other.
    takes: Vec<LeaseHolder>,
    /// Whether to take all of them or none.
    is_for_all: bool,
    releases: Vec<LeaseHolder>,
}

impl PartitionLeases {
    /// The leases of a follower with so many workers. `first` asks for that of the first partition.
    pub(crate) fn new(follower: &'static str, first: LeaseHolder, workers: usize) -> Self {
        let workers = u32::try_from(workers).unwrap_or(u32::MAX).max(1);
        let seats = if workers > 1 { workers } else { 0 };
        let seats = (0..seats).map(|seat| Claim::new(first.on(format!("{follower} (program {seat})"))));
        let state = State {
            partitions: Vec::new(),
            seats: seats.collect(),
            split: workers,
            are_kept: false,
            next_look: Instant::now(),
            is_looking: false,
        };
        let this = Self { follower, workers, first, state: Mutex::new(state), stored: Mutex::default() };
        this.add_claims(&mut lock(&this.state), workers);
        this
    }

    /// Renews all leases that the run has, from now on.
    ///
    /// Fails if the system can't start a thread.
    pub(crate) fn keep<P: ProgressStore>(&self, progress: &P) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.are_kept = true;
        state.keep_all(progress)
    }

    fn add_claims(&self, state: &mut State, partitions: u32) {
        let known = u32::try_from(state.partitions.len()).unwrap_or(u32::MAX);
        state.partitions.extend((known..partitions).map(|partition| {
            Claim::new(match partition {
                0 => self.first.clone(),
                _ => self.first.on(format!("{} (partition {partition})", self.follower)),
            })
        }));
    }

    /// What all leases have in common.
    pub(crate) fn holder(&self) -> &LeaseHolder {
        &self.first
    }

    /// Whether the streams are split into several partitions, as far as the workers know.
    pub(crate) fn are_several(&self) -> bool {
        lock(&self.state).split > 1
    }

    /// Whether programs may run some of the partitions each.
    pub(crate) fn are_shared(&self) -> bool {
        self.workers > 1
    }

    /// When a worker has to look again; `None` if that is not needed, as there is one partition.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        let state = lock(&self.state);
        (self.workers > 1 || state.split > 1).then_some(state.next_look)
    }

    /// Whether the worker of a partition may take a step.
    pub(crate) fn may_run(&self, partition: Partition) -> bool {
        lock(&self.state).may_run(partition, self.workers)
    }

    /// Finds out where the partitions run, one for each worker, if it is time for that.
    pub(crate) fn look<P: ProgressStore>(
        &self,
        progress: &P,
        definition: &FollowerDefinition,
    ) -> Result<Option<Vec<PartitionPlace>>, FollowError> {
        let mut state = lock(&self.state);
        let needs_look = self.workers > 1 || state.split > 1;
        if !needs_look || state.is_looking || Instant::now() < state.next_look {
            return Ok(None);
        }
        state.is_looking = true;
        state.next_look = Instant::now() + self.first.stand_by_time();
        drop(state);
        let looked = self.look_now(progress, definition);
        let mut state = lock(&self.state);
        state.is_looking = false;
        if looked.is_err() {
            state.next_look = Instant::now();
        }
        looked.map(Some)
    }

    fn look_now<P: ProgressStore>(
        &self,
        progress: &P,
        definition: &FollowerDefinition,
    ) -> Result<Vec<PartitionPlace>, FollowError> {
        let failed = FollowError::store(self.follower);
        let split = checkpoint::require(progress, definition)?.count();
        let (partitions, seats) = self.claims(progress, split)?;
        let mut answers = progress.judge_leases(&[&partitions[..], &seats[..]].concat()).map_err(failed)?;
        let of_seats = answers.split_off(partitions.len());
        let plan = lock(&self.state).plan(self.workers, &answers, &of_seats);
        let is_carried_out = plan.carry_out(progress).map_err(failed)?;
        let mut state = lock(&self.state);
        let is_whole = split != self.workers && state.has_all(split);
        if !is_carried_out || is_whole {
            // Another program was faster, or the streams are split again soon.
            state.next_look = Instant::now() + LOOK_AGAIN.min(self.first.stand_by_time());
        }
        Ok(state.places(self.workers, answers))
    }

    /// The leases to look at, those of the partitions and the seats.
    fn claims<P: ProgressStore>(
        &self,
        progress: &P,
        split: u32,
    ) -> Result<(Vec<LeaseHolder>, Vec<LeaseHolder>), FollowError> {
        let mut state = lock(&self.state);
        state.split = split;
        self.add_claims(&mut state, split);
        if state.are_kept {
            state
                .keep_all(progress)
                .map_err(|source| FollowError::Thread { follower: self.follower, source })?;
        }
        let holders = |claims: &[Claim]| claims.iter().map(|claim| claim.holder.clone()).collect();
        Ok((holders(&state.partitions), holders(&state.seats)))
    }

    /// Takes or renews the lease of a partition, in the transaction of a step; the lease of another holder if that has it.
    pub(crate) fn take<P: ProgressStore>(
        &self,
        transaction: &P::Transaction<'_>,
        partition: Partition,
    ) -> Result<Option<LeaseInfo>, StoreError> {
        let mut state = lock(&self.state);
        self.add_claims(&mut state, partition.index().saturating_add(1));
        let holder = state.partitions.get(partition.index() as usize).map(|claim| claim.holder.clone());
        drop(state);
        holder.map_or(Ok(None), |holder| holder.take::<P>(transaction))
    }

    /// Takes or renews the leases of all partitions, as [`take`](Self::take) does.
    pub(crate) fn take_all<P: ProgressStore>(
        &self,
        transaction: &P::Transaction<'_>,
        split: u32,
    ) -> Result<Option<LeaseInfo>, StoreError> {
        for partition in Partition::all(split) {
            if let Some(other) = self.take::<P>(transaction, partition)? {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }

    /// Whether the run has the leases of all partitions, of which there are so many. If not, a worker has to look again.
    pub(crate) fn has_all(&self, split: u32) -> bool {
        let mut state = lock(&self.state);
        let has_all = state.split == split && state.has_all(split);
        state.split = split;
        drop(state);
        if !has_all {
            self.look_soon();
        }
        has_all
    }

    /// Lets a worker look before its next step: the streams are split in another way than it has thought.
    pub(crate) fn look_soon(&self) {
        lock(&self.state).next_look = Instant::now();
    }

    /// Lets another program have a partition, if it is to have it. Returns whether it is.
    pub(crate) fn leave<P: ProgressStore>(
        &self,
        progress: &P,
        partition: Partition,
    ) -> Result<bool, FollowError> {
        let mut state = lock(&self.state);
        let claim = state.partitions.get_mut(partition.index() as usize);
        let Some(claim) = claim.filter(|claim| claim.leaves) else { return Ok(false) };
        claim.leaves = false;
        claim.holder.set_held(false);
        let holders = [claim.holder.clone()];
        drop(state);
        let released = released(progress, &holders);
        if released.is_err()
            && let Some(claim) = lock(&self.state).partitions.get_mut(partition.index() as usize)
        {
            claim.leaves = true;
        }
        released.map(|()| true).map_err(FollowError::store(self.follower))
    }

    /// The worker of a partition has ended. If others of the run go on, other programs are to have the partition.
    pub(crate) fn end<P: ProgressStore>(&self, progress: &P, partition: Partition) {
        let mut state = lock(&self.state);
        if let Some(claim) = state.partitions.get_mut(partition.index() as usize) {
            claim.is_over = true;
        }
        let left = if self.are_shared() { state.left() } else { Vec::new() };
        drop(state);
        if !left.is_empty() {
            // If this fails, the next look of another worker tries again, or the end of the run.
            let _ = released(progress, &left);
        }
    }

    /// Releases all leases of a run that has ended.
    pub(crate) fn release<P: ProgressStore>(&self, progress: &P) {
        let mut state = lock(&self.state);
        let held = held(state.partitions.iter().chain(&state.seats));
        for claim in state.all() {
            claim.kept = None;
        }
        drop(state);
        if !held.is_empty() {
            // If the release fails, the next holders wait until the leases end.
            let _ = progress.release_leases(&held);
        }
    }

    /// How far a partition is that another runner may run. All workers share what one has read.
    pub(crate) fn stored_position<P: ProgressStore>(
        &self,
        progress: &P,
        definition: &FollowerDefinition,
        partition: Partition,
    ) -> Result<Position, FollowError> {
        let of =
            |positions: &PartitionPositions| positions.of(partition).unwrap_or_else(|| positions.position());
        let mut stored = lock(&self.stored);
        if let Some((read, positions)) = &*stored
            && read.elapsed() < FRESH
        {
            return Ok(of(positions));
        }
        let positions = checkpoint::require(progress, definition)?;
        let position = of(&positions);
        *stored = Some((Instant::now(), positions));
        Ok(position)
    }

    /// Does something with what renews the lease of a partition.
    pub(crate) fn with_kept<T>(&self, partition: Partition, work: impl FnOnce(&KeptLease) -> T) -> Option<T> {
        lock(&self.state).partitions.get(partition.index() as usize)?.kept.as_ref().map(work)
    }
}

impl Claim {
    fn new(holder: LeaseHolder) -> Self {
        Self { holder, kept: None, leaves: false, is_over: false }
    }

    /// Whether the run has the lease, and keeps it.
    fn is_in_use(&self) -> bool {
        self.holder.is_held() && !self.leaves && !self.is_over
    }
}

impl State {
    fn all(&mut self) -> impl Iterator<Item = &mut Claim> {
        self.partitions.iter_mut().chain(&mut self.seats)
    }

    fn keep_all<P: ProgressStore>(&mut self, progress: &P) -> io::Result<()> {
        for claim in self.all().filter(|claim| claim.kept.is_none()) {
            claim.kept = Some(LeaseKeeper::keep(progress, &claim.holder)?);
        }
        Ok(())
    }

    fn may_run(&self, partition: Partition, workers: u32) -> bool {
        let claim = self.partitions.get(partition.index() as usize);
        match (self.split == workers, workers) {
            (true, 1) => claim.is_some_and(|claim| !claim.is_over),
            (true, _) => claim.is_some_and(Claim::is_in_use),
            (false, _) => partition.index() == 0 && self.has_all(self.split),
        }
    }

    fn has_all(&self, split: u32) -> bool {
        let all = self.partitions.get(..split as usize);
        all.is_some_and(|all| all.iter().all(|claim| claim.holder.is_held()))
    }

    /// Decides which leases to take and to release, by whether each is free or the run's own.
    fn plan(&mut self, workers: u32, of_partitions: &[LeaseAnswer], of_seats: &[LeaseAnswer]) -> Plan {
        for (claim, answer) in
            self.partitions.iter().chain(&self.seats).zip(of_partitions.iter().chain(of_seats))
        {
            if *answer != LeaseAnswer::Taken {
                claim.holder.set_held(false);
            }
        }
        let split = self.split as usize;
        if self.split != workers {
            return self.plan_for_all(of_partitions);
        }
        let mut plan = Plan { releases: held(self.partitions.iter().skip(split)), ..Plan::default() };
        if workers == 1 {
            return plan;
        }
        let is_free = |claim: &Claim, answer: &LeaseAnswer| {
            *answer == LeaseAnswer::Taken && !claim.is_over && !claim.holder.is_held()
        };
        if self.partitions.iter().any(|claim| claim.is_over) {
            plan.releases.extend(self.left());
            let all = self.partitions.iter().take(split).zip(of_partitions);
            let free = all.filter(|(claim, answer)| is_free(claim, answer));
            plan.takes.extend(free.map(|(claim, _)| claim.holder.clone()));
            return plan;
        }
        let own = self.seats.iter().position(|seat| seat.holder.is_held());
        let free = || of_seats.iter().position(|answer| *answer == LeaseAnswer::Taken);
        let seat = own.or_else(free);
        let share = seat.map_or(0, |seat| share(workers as usize, of_seats, seat));
        let mut count = 0;
        for (claim, answer) in self.partitions.iter_mut().take(split).zip(of_partitions) {
            if claim.holder.is_held() {
                claim.leaves = count >= share;
                count += usize::from(!claim.leaves);
            } else if is_free(claim, answer) {
                plan.takes.push(claim.holder.clone());
            }
        }
        plan.takes.truncate(share.saturating_sub(count));
        let new_seat = seat.filter(|_| own.is_none()).and_then(|seat| self.seats.get(seat));
        plan.takes.extend(new_seat.map(|seat| seat.holder.clone()));
        plan
    }

    /// The leases that the run still has, and does not need after the end of some workers.
    fn left(&self) -> Vec<LeaseHolder> {
        held(self.partitions.iter().filter(|claim| claim.is_over).chain(&self.seats))
    }

    /// Takes all partitions or none: this program has another number of workers.
    fn plan_for_all(&self, of_partitions: &[LeaseAnswer]) -> Plan {
        let split = self.split as usize;
        let is_free = of_partitions.iter().take(split).all(|answer| *answer == LeaseAnswer::Taken);
        let others = self.partitions.iter().skip(if is_free { split } else { 0 });
        let all = self.partitions.iter().take(split).filter(|claim| is_free && !claim.holder.is_held());
        Plan {
            takes: all.map(|claim| claim.holder.clone()).collect(),
            is_for_all: true,
            releases: held(others.chain(&self.seats)),
        }
    }

    /// Where the partitions run, one for each worker.
    fn places(&self, workers: u32, answers: Vec<LeaseAnswer>) -> Vec<PartitionPlace> {
        let is_split = self.split == workers;
        let has_all = !is_split && self.has_all(self.split);
        let places = self.partitions.iter().zip(answers).map(|(claim, answer)| match answer {
            _ if has_all || claim.is_in_use() => PartitionPlace::Here,
            LeaseAnswer::HeldBy(holder) => PartitionPlace::Elsewhere { holder },
            LeaseAnswer::Taken => PartitionPlace::Unknown,
        });
        let places: Vec<_> = places.collect();
        let elsewhere =
            places.iter().find(|place| matches!(place, PartitionPlace::Elsewhere { .. })).cloned();
        match elsewhere {
            // The partitions are not those of the workers.
            Some(elsewhere) if !is_split => vec![elsewhere; workers as usize],
            _ => places.into_iter().chain(repeat(PartitionPlace::Unknown)).take(workers as usize).collect(),
        }
    }
}

/// The leases of these that the run has.
fn held<'c>(claims: impl Iterator<Item = &'c Claim>) -> Vec<LeaseHolder> {
    claims.filter(|claim| claim.holder.is_held()).map(|claim| claim.holder.clone()).collect()
}

/// Releases leases. After an error they are still held, so that the next release tries again.
fn released<P: ProgressStore>(progress: &P, holders: &[LeaseHolder]) -> Result<(), StoreError> {
    let set_held = |is_held| holders.iter().for_each(|holder| holder.set_held(is_held));
    set_held(false);
    progress.release_leases(holders).inspect_err(|_| set_held(true))
}

/// How many partitions the program with a seat is to run: as many as the others, or one more if it sits before them.
fn share(partitions: usize, seats: &[LeaseAnswer], own: usize) -> usize {
    let is_taken = |answer: &&LeaseAnswer| **answer != LeaseAnswer::Taken;
    let before = seats.iter().take(own).filter(is_taken).count();
    let programs = 1 + before + seats.iter().skip(own + 1).filter(is_taken).count();
    partitions / programs + usize::from(before < partitions % programs)
}

impl Plan {
    /// Returns whether all leases were taken.
    fn carry_out<P: ProgressStore>(self, progress: &P) -> Result<bool, StoreError> {
        let Self { takes, is_for_all, releases } = self;
        if !releases.is_empty() {
            released(progress, &releases)?;
        }
        if takes.is_empty() {
            return Ok(true);
        }
        let take = |transaction: &P::Transaction<'_>| {
            let mut taken = Vec::new();
            for holder in &takes {
                let is_taken = P::take_lease(transaction, holder).map_err(Some)? == LeaseAnswer::Taken;
                if !is_taken && is_for_all {
                    return Err(None);
                }
                taken.push(is_taken);
            }
            Ok(taken)
        };
        let taken = match progress.in_transaction(take, Some) {
            Ok(taken) => taken,
            Err(None) => return Ok(false),
            Err(Some(error)) => return Err(error),
        };
        for (holder, is_taken) in takes.iter().zip(&taken) {
            holder.set_held(*is_taken);
        }
        Ok(taken.into_iter().all(|is_taken| is_taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    /// The seats of a number of programs, the first of which are taken.
    fn seats(taken: usize, of: usize) -> Vec<LeaseAnswer> {
        let info = LeaseInfo { process: None, host: None, until: Timestamp::now() };
        let taken = std::iter::repeat_n(LeaseAnswer::HeldBy(info), taken);
        taken.chain(repeat(LeaseAnswer::Taken)).take(of).collect()
    }

    fn names(holders: &[LeaseHolder]) -> Vec<&str> {
        holders.iter().map(|holder| holder.name.as_str()).collect()
    }

    /// A run that ends worker by worker gives back its seat and what it no longer needs, also after a release that has failed.
    /// It takes what no program has: otherwise its other workers could wait without end.
    #[test]
    fn a_run_with_workers_that_have_ended_has_no_seat_and_takes_what_is_free() {
        let leases = PartitionLeases::new("view", LeaseHolder::new("view", Duration::from_secs(10)), 4);
        let mut state = lock(&leases.state);
        let free = vec![LeaseAnswer::Taken; 4];
        // Another program has the second seat, and half of the partitions.
        let seats = [seats(0, 1), seats(1, 1), seats(0, 2)].concat();
        let plan = state.plan(4, &free, &seats);
        assert_eq!(names(&plan.takes), ["view", "view (partition 1)", "view (program 0)"]);
        plan.takes.iter().for_each(|holder| holder.set_held(true));

        state.partitions[0].is_over = true;
        let plan = state.plan(4, &free, &seats);
        assert_eq!(names(&plan.releases), ["view", "view (program 0)"]);
        assert_eq!(names(&plan.takes), ["view (partition 2)", "view (partition 3)"]);
        assert!(state.may_run(Partition::all(4).nth(1).unwrap(), 4), "it keeps what it has");
        assert_eq!(names(&state.left()), names(&plan.releases), "until they are released");

        plan.releases.iter().for_each(|holder| holder.set_held(false));
        let taken = self::seats(4, 4);
        let plan =
            state.plan(4, &[free[0].clone(), free[1].clone(), taken[2].clone(), free[3].clone()], &seats);
        assert!(plan.releases.is_empty());
        assert_eq!(names(&plan.takes), ["view (partition 3)"]);
    }

    #[test]
    fn all_partitions_are_the_share_of_one_program_each() {
        for partitions in 2..=9 {
            for programs in 1..=partitions {
                let seats = seats(programs, partitions);
                let shares: Vec<_> = (0..programs).map(|own| share(partitions, &seats, own)).collect();
                assert_eq!(shares.iter().sum::<usize>(), partitions, "{shares:?}");
                let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
                assert!(most - least <= 1, "{shares:?}");
            }
        }
    }
}

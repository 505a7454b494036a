//! Where pods wait: to be decided on, for a backoff to end, or for a change that helps.
//!
//! As `pkg/scheduler/backend/queue`, without its goroutines: time is what it is told. Invariant: a pod stands in at most one
//! place, and the record says which.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::class::ClassId;
use crate::cluster::PodId;

/// Pods that the same plugins refused, and that no plugin can tell apart: what helps one, helps all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Group {
    pub(crate) class: ClassId,
    /// A bit a plugin; none when there was no node.
    pub(crate) by: u64,
}

/// Where a pod waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// Not in the queue: gated, decided on, or waiting for a permit.
    #[default]
    Nowhere,
    /// To be decided on.
    Active((i64, i64)),
    /// Something helped; it is decided on then, or before when there is nothing else to do.
    Backoff(Timestamp),
    /// A decision could not be carried out; it is decided on then.
    Failed(Timestamp),
    /// It fits nowhere; it is decided on when something helps, and then at the latest.
    Parked(Group, Timestamp),
}

/// What a decision was that nobody has told the outcome of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Bind,
    Prepare,
    Preempt,
    /// A placed pod waits for a permit.
    Wait,
    /// Nothing hangs on it: gated or unschedulable.
    Notice,
}

/// What the scheduler knows of a pod that it has to place.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) class: ClassId,
    /// Order of arrival.
    pub(crate) sequence: u64,
    /// When it came or was last decided on.
    pub(crate) since: Timestamp,
    /// How often it was found not to fit.
    pub(crate) attempts: u32,
    /// How often in a row a decision could not be carried out.
    pub(crate) errors: u32,
    pub(crate) place: Place,
    pub(crate) told: Option<Told>,
    /// Something helped while the outcome was outstanding.
    pub(crate) woken: bool,
    /// It counts on a node that it is not bound to yet.
    pub(crate) holding: bool,
    /// Plugins set something aside for it.
    pub(crate) reserved: bool,
    /// It is kept out of the queue.
    pub(crate) gated: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    active: BTreeSet<((i64, i64), u64, PodId)>,
    backoff: BTreeSet<(Timestamp, u64, PodId)>,
    failed: BTreeSet<(Timestamp, u64, PodId)>,
    deadlines: BTreeSet<(Timestamp, u64, PodId)>,
    groups: BTreeMap<Group, BTreeSet<(u64, PodId)>>,
}

impl Queue {
    /// Moves a pod.
    pub(crate) fn put(&mut self, id: PodId, record: &mut Record, place: Place) {
        let sequence = record.sequence;
        match record.place {
            Place::Nowhere => {}
            Place::Active(key) => {
                self.active.remove(&(key, sequence, id));
            }
            Place::Backoff(until) => {
                self.backoff.remove(&(until, sequence, id));
            }
            Place::Failed(until) => {
                self.failed.remove(&(until, sequence, id));
            }
            Place::Parked(group, deadline) => {
                self.deadlines.remove(&(deadline, sequence, id));
                if let Some(pods) = self.groups.get_mut(&group) {
                    pods.remove(&(sequence, id));
                    if pods.is_empty() {
                        self.groups.remove(&group);
                    }
                }
            }
        }
        match place {
            Place::Nowhere => {}
            Place::Active(key) => {
                self.active.insert((key, sequence, id));
            }
            Place::Backoff(until) => {
                self.backoff.insert((until, sequence, id));
            }
            Place::Failed(until) => {
                self.failed.insert((until, sequence, id));
            }
            Place::Parked(group, deadline) => {
                self.deadlines.insert((deadline, sequence, id));
                self.groups.entry(group).or_default().insert((sequence, id));
            }
        }
        record.place = place;
    }

    /// The pod to decide on next; it stays where it is until it is moved. Pods in backoff come early when no other is
    /// there, as with Kubernetes' `SchedulerPopFromBackoffQ`.
    pub(crate) fn next(&self) -> Option<PodId> {
        let active = self.active.first().map(|(_, _, id)| *id);
        active.or_else(|| self.backoff.first().map(|(_, _, id)| *id))
    }

    /// A pod whose backoff is over.
    pub(crate) fn recovered(&self, now: Timestamp) -> Option<PodId> {
        let over = |waiting: &BTreeSet<(Timestamp, u64, PodId)>| {
            waiting.first().copied().filter(|first| first.0 <= now)
        };
        over(&self.backoff).or_else(|| over(&self.failed)).map(|(_, _, id)| id)
    }

    /// A pod that was parked for too long.
    pub(crate) fn overdue(&self, now: Timestamp) -> Option<PodId> {
        self.deadlines.first().filter(|first| first.0 <= now).map(|(_, _, id)| *id)
    }

    /// When the next wait ends.
    pub(crate) fn next_wake(&self) -> Option<Timestamp> {
        let waits = [&self.backoff, &self.failed, &self.deadlines];
        waits.into_iter().filter_map(|waits| waits.first().map(|first| first.0)).min()
    }

    /// The groups of parked pods, each with one of its pods.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (Group, PodId)> + '_ {
        self.groups.iter().filter_map(|(group, pods)| pods.first().map(|(_, id)| (*group, *id)))
    }

    pub(crate) fn has_parked(&self) -> bool {
        !self.groups.is_empty()
    }

    /// The pods of a group in order of arrival.
    pub(crate) fn members(&self, group: Group) -> Vec<PodId> {
        self.groups.get(&group).into_iter().flatten().map(|(_, id)| *id).collect()
    }
}

/// `initial` doubled with every attempt after the first, up to `most`; nothing before the first.
pub(crate) fn backoff(attempts: u32, initial: SignedDuration, most: SignedDuration) -> SignedDuration {
    match attempts.checked_sub(1) {
        None => SignedDuration::ZERO,
        Some(doublings) => {
            let factor = 1_i32.checked_shl(doublings.min(30)).unwrap_or(i32::MAX);
            initial.checked_mul(factor).map_or(most, |backoff| backoff.min(most))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_is_doubled_up_to_the_bound() {
        let seconds = |attempts| {
            backoff(attempts, SignedDuration::from_secs(1), SignedDuration::from_secs(10)).as_secs()
        };
        let found: Vec<_> = [0, 1, 2, 3, 4, 5, 6, 1000].into_iter().map(seconds).collect();
        assert_eq!(found, [0, 1, 2, 4, 8, 10, 10, 10]);
    }
}

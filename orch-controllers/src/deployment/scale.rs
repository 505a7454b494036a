//! A change of size in the middle of a rollout, or while it is paused: each ReplicaSet gets its share
//! (`pkg/controller/deployment/sync.go`, `scale`).

use super::facts::Strategy;
use super::turn::{DESIRED, MAX, Turn};

/// Whether the size of the Deployment is another than the one that its ReplicaSets have theirs for.
pub(super) fn is_asked_for(turn: &Turn<'_>) -> bool {
    let mut active = turn.sets.iter().filter(|set| set.replicas > 0);
    active.any(|set| set.number(DESIRED).is_some_and(|desired| desired != turn.facts.replicas))
}

/// Spreads the size of the Deployment over its ReplicaSets.
pub(super) fn scale(turn: &mut Turn<'_>) {
    let replicas = turn.facts.replicas;
    if let Some(at) = active_or_latest(turn) {
        turn.scale(at, replicas);
        // Also when the size is right: else the change would be asked for for ever.
        turn.note_size(at);
    } else if is_saturated(turn) {
        let old: Vec<usize> = turn.old().collect();
        for at in old {
            turn.scale(at, 0);
        }
    } else if matches!(turn.facts.strategy, Strategy::Rolling { .. }) {
        spread(turn);
    } else {
        // Nothing is spread where all old pods go first. Upstream leaves the change open here, and the Deployment is stuck
        // when somebody has scaled an old ReplicaSet by hand.
        for at in active(turn) {
            turn.note_size(at);
        }
    }
}

/// The ReplicaSets that ask for pods.
fn active(turn: &Turn<'_>) -> Vec<usize> {
    (0..turn.sets.len()).filter(|at| turn.sets[*at].replicas > 0).collect()
}

/// The only ReplicaSet that asks for pods; when none does, the new one or the youngest of the old.
fn active_or_latest(turn: &Turn<'_>) -> Option<usize> {
    match active(turn)[..] {
        [] => turn.new.or_else(|| turn.old().last()),
        [only] => Some(only),
        _ => None,
    }
}

/// Whether the new ReplicaSet has all that the Deployment asks for.
fn is_saturated(turn: &Turn<'_>) -> bool {
    turn.new.is_some_and(|at| {
        let (set, replicas) = (&turn.sets[at], turn.facts.replicas);
        set.replicas == replicas
            && set.number(DESIRED) == Some(replicas)
            && set.row.facts.available == replicas
    })
}

/// In proportion to their sizes, the largest first; what rounding leaves over goes to the largest.
fn spread(turn: &mut Turn<'_>) {
    let replicas = turn.facts.replicas;
    let allowed = if replicas > 0 { replicas + turn.facts.max_surge() } else { 0 };
    let to_add = allowed - turn.total();
    let mut active = active(turn);
    if to_add > 0 {
        // Younger ones first among equals, so that the new ReplicaSet grows.
        active.reverse();
    }
    active.sort_by_key(|at| std::cmp::Reverse(turn.sets[*at].replicas));
    let mut added = 0;
    let mut sizes = Vec::with_capacity(active.len());
    for at in &active {
        let share = share(turn, *at, to_add, added);
        added += share;
        sizes.push(turn.sets[*at].replicas + share);
    }
    if let Some(largest) = sizes.first_mut() {
        *largest = (*largest + to_add - added).max(0);
    }
    for (at, size) in active.into_iter().zip(sizes) {
        turn.scale(at, size);
        turn.note_size(at);
    }
}

/// How many of those to add (or, when negative, to take away) a ReplicaSet gets, given what others got.
///
/// Stricter than upstream, where a ReplicaSet whose size is for another size of the Deployment (an old one that a user
/// scaled by hand) may grow in a change that takes pods away, and all of them ask for more than the surge allows then.
fn share(turn: &Turn<'_>, at: usize, to_add: i32, added: i32) -> i32 {
    let (fraction, left) = (fraction(turn, at), to_add - added);
    if to_add > 0 { fraction.clamp(0, left.max(0)) } else { fraction.clamp(left.min(0), 0) }
}

/// The change of a ReplicaSet that keeps its part of the whole.
fn fraction(turn: &Turn<'_>, at: usize) -> i32 {
    let (set, facts) = (&turn.sets[at], turn.facts);
    if facts.replicas == 0 {
        return -set.replicas;
    }
    let before = set.number(MAX).filter(|max| *max != 0).unwrap_or(facts.status.replicas);
    if before == 0 {
        return 0;
    }
    let max = i64::from(facts.replicas + facts.max_surge());
    let (scaled, before) = (i64::from(set.replicas) * max, i64::from(before));
    // To the nearest.
    let size = (2 * scaled + before) / (2 * before);
    i32::try_from(size).unwrap_or(i32::MAX) - set.replicas
}

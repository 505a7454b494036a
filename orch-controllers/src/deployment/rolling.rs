//! The steps of a rollout (`pkg/controller/deployment/rolling.go`, `recreate.go`): one kind of step a turn.

use super::revision;
use super::turn::{Set, Turn};

/// From old pods to new ones within the bounds.
pub(super) fn roll(turn: &mut Turn<'_>) {
    let Some(new) = turn.new else {
        let replicas = new_size(turn, 0);
        revision::create(turn, replicas);
        return;
    };
    if !grow_new(turn, new) && !shrink_old(turn, new) && is_complete(turn) {
        revision::clean_up(turn);
    }
}

/// All old pods end, then the new ones start.
pub(super) fn recreate(turn: &mut Turn<'_>) {
    let old: Vec<usize> = turn.old().collect();
    let scaled = old.iter().filter(|at| turn.scale(**at, 0)).count();
    let running = old.iter().any(|at| {
        let row = turn.sets[*at].row;
        let is_idle = turn.sets[*at].is_observed() && row.facts.actual == 0;
        !is_idle || turn.observed.running.contains(row.object.uid())
    });
    if scaled > 0 || running {
        return;
    }
    let replicas = turn.facts.replicas;
    match turn.new {
        None => revision::create(turn, replicas),
        Some(new) => {
            turn.scale(new, replicas);
            if is_complete(turn) {
                revision::clean_up(turn);
            }
        }
    }
}

/// Whether the status that was observed is that of a finished rollout.
fn is_complete(turn: &Turn<'_>) -> bool {
    super::progress::is_complete(turn, &turn.facts.status)
}

/// Lets the new ReplicaSet grow as far as the surge allows, or brings it down to the size asked for.
fn grow_new(turn: &mut Turn<'_>, new: usize) -> bool {
    let (size, wanted) = (turn.sets[new].replicas, turn.facts.replicas);
    if size == wanted {
        return false;
    }
    let size = if size > wanted { wanted } else { new_size(turn, size) };
    turn.scale(new, size)
}

/// The size that the new ReplicaSet may have, given the one it has.
fn new_size(turn: &Turn<'_>, size: i32) -> i32 {
    let room = turn.facts.replicas + turn.facts.max_surge() - turn.total();
    if room <= 0 { size } else { size + room.min(turn.facts.replicas - size) }
}

/// Takes old pods away: first those that are not available anyway, then as many as availability allows.
///
/// Stricter than upstream, which goes by a ReplicaSet's status even when that is older than what was last asked of it: a
/// rollback in the middle of a rollout takes away too many there.
fn shrink_old(turn: &mut Turn<'_>, new: usize) -> bool {
    let old: Vec<usize> = turn.old().filter(|at| turn.sets[*at].replicas > 0).collect();
    let new_unavailable = turn.sets[new].replicas - turn.sets[new].available().unwrap_or(0);
    let may_go = turn.total() - turn.facts.min_available() - new_unavailable;
    if old.is_empty() || may_go <= 0 {
        return false;
    }
    let mut gone = 0;
    for at in &old {
        let set = &turn.sets[*at];
        let unhealthy = set.available().map_or(0, |available| set.replicas - available).min(may_go - gone);
        if unhealthy > 0 {
            gone += unhealthy;
            let size = set.replicas - unhealthy;
            turn.scale(*at, size);
        }
    }
    let available: i32 = turn.sets.iter().filter_map(Set::available).sum();
    let mut spare = (available - turn.facts.min_available()).min(may_go - gone);
    for at in old {
        let step = turn.sets[at].replicas.min(spare);
        if step > 0 {
            spare -= step;
            gone += step;
            let size = turn.sets[at].replicas - step;
            turn.scale(at, size);
        }
    }
    gone > 0
}

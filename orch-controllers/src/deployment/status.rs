//! The status of a Deployment: sums over its ReplicaSets (`pkg/controller/deployment/sync.go`, `calculateStatus`).

use orch_core::Write;
use serde_json::{Value, json};

use super::facts::Counts;
use super::turn::{Set, Turn};
use crate::condition::{Condition, Conditions};
use crate::json::{list, text};
use crate::status::{self, count};

const FAILURE: &str = "ReplicaFailure";

/// The counts as they are now.
pub(super) fn counts(turn: &Turn<'_>) -> Counts {
    let sum = |of: &dyn Fn(&Set<'_>) -> i32| turn.sets.iter().map(of).sum();
    Counts {
        replicas: sum(&|set| set.row.facts.actual),
        updated: turn.new.map_or(0, |new| turn.sets[new].row.facts.actual),
        ready: sum(&|set| set.row.facts.ready),
        available: sum(&|set| set.row.facts.available),
        observed_generation: turn.observed.row.object.header().generation,
    }
}

/// The write of the status, if it changes.
pub(super) fn write(turn: &Turn<'_>) -> Option<Write> {
    let counts = counts(turn);
    let mut conditions = turn.conditions.clone();
    conditions.set(availability(turn, counts.available).updated_tree(turn.observed.now));
    replica_failure(turn, &mut conditions);
    let mut desired = vec![
        ("observedGeneration", json!(counts.observed_generation)),
        ("replicas", count(counts.replicas)),
        ("updatedReplicas", count(counts.updated)),
        ("readyReplicas", count(counts.ready)),
        ("availableReplicas", count(counts.available)),
        ("unavailableReplicas", count((turn.total() - counts.available).max(0))),
        ("terminatingReplicas", terminating(turn).map_or(Value::Null, |number| json!(number))),
        ("conditions", conditions.into_tree()),
    ];
    if let Some(collisions) = turn.collisions {
        desired.push(("collisionCount", json!(collisions)));
    }
    status::write(&turn.observed.row.object, &turn.current, desired)
}

fn availability(turn: &Turn<'_>, available: i32) -> Condition {
    if available >= turn.facts.min_available() {
        let message = "Deployment has minimum availability.";
        Condition::new("Available", "True", "MinimumReplicasAvailable", message)
    } else {
        let message = "Deployment does not have minimum availability.";
        Condition::new("Available", "False", "MinimumReplicasUnavailable", message)
    }
}

/// Passes on that a ReplicaSet cannot make its pods, the new one's word first.
fn replica_failure(turn: &Turn<'_>, conditions: &mut Conditions) {
    let sets = turn.new.into_iter().chain(turn.old());
    let failure = sets.filter_map(|at| failure_of(&turn.sets[at])).next();
    match failure {
        Some(mut failure) => {
            failure["lastUpdateTime"] = failure["lastTransitionTime"].clone();
            conditions.set(failure);
        }
        None => conditions.remove(FAILURE),
    }
}

fn failure_of(set: &Set<'_>) -> Option<Value> {
    let status = status::read(&set.row.object);
    list(&status["conditions"]).iter().find(|condition| text(&condition["type"]) == FAILURE).cloned()
}

/// Unknown as long as a ReplicaSet that has been observed does not say.
fn terminating(turn: &Turn<'_>) -> Option<i32> {
    let observed = turn
        .sets
        .iter()
        .filter(|set| set.row.facts.terminating.is_some() || set.row.facts.observed_generation > 0);
    observed.map(|set| set.row.facts.terminating).sum()
}

//! Revisions: the ReplicaSet of the current template, the numbers that ReplicaSets have, and the history that is kept
//! (`pkg/controller/deployment/sync.go`).
//!
//! `kubectl rollout undo` writes an old template back: its ReplicaSet is found again and gets the next number.

use orch_core::object::Part;
use serde_json::{Value, json};

use super::progress;
use super::turn::{DESIRED, MAX, REVISION, Turn};
use crate::names;
use crate::template::{TEMPLATE_HASH, set_label};

const HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// Longest list of past numbers, in bytes; beyond, the oldest are dropped. As upstream.
const HISTORY_MAX: usize = 2000;
/// Annotations that are the Deployment's own and not copied to its ReplicaSets.
const OWN: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MAX,
    "deprecated.deployment.rollback.to",
];

/// Brings number and annotations of the current template's ReplicaSet up to date, and tells the Deployment its number.
pub(super) fn sync(turn: &mut Turn<'_>) {
    let Some(new) = turn.new else { return };
    let next = next_revision(turn);
    let set = &mut turn.sets[new];
    for (name, value) in turn.facts.annotations.iter().filter(|(name, _)| !OWN.contains(&&**name)) {
        set.annotate(name, value);
    }
    set.min_ready_secs = turn.facts.min_ready_secs;
    let before = set.annotation(REVISION).map(str::to_owned);
    // A number that somebody has spoilt is left alone.
    let number = before.as_deref().map_or(Ok(0), str::parse::<i64>);
    if number.is_ok_and(|number| number < next) {
        set.annotate(REVISION, &next.to_string());
        if let Some(before) = before.filter(|before| !before.is_empty()) {
            let history = with_past(set.annotation(HISTORY).unwrap_or_default(), &before);
            set.annotate(HISTORY, &history);
        }
    }
    let revision = set.annotation(REVISION).unwrap_or_default().to_owned();
    tell(turn, revision);
    progress::found(turn);
}

/// The number that the ReplicaSet of the current template must have at least: above that of every other.
fn next_revision(turn: &Turn<'_>) -> i64 {
    turn.old().map(|at| turn.sets[at].revision()).max().unwrap_or(0).max(0) + 1
}

fn tell(turn: &mut Turn<'_>, revision: String) {
    if crate::json::find(&turn.facts.annotations, REVISION) != Some(&revision) {
        turn.revision = Some(revision);
    }
}

/// A list of past numbers with one more, the oldest dropped when it gets too long.
fn with_past(history: &str, number: &str) -> String {
    let mut past: Vec<&str> = history.split(',').filter(|part| !part.is_empty()).chain([number]).collect();
    while past.iter().map(|part| part.len() + 1).sum::<usize>() > HISTORY_MAX + 1 {
        past.remove(0);
    }
    past.join(",")
}

/// Creates the ReplicaSet of the current template with so many replicas.
pub(super) fn create(turn: &mut Turn<'_>, replicas: i32) {
    let observed = turn.observed;
    if observed.taken {
        // Another template has the same hash, or somebody took the name: the next turn tries another.
        turn.collisions = Some(turn.collisions.unwrap_or(0).saturating_add(1));
        return;
    }
    let (deployment, facts) = (&observed.row.object, turn.facts);
    let spec: Value = deployment.part_to(Part::Spec).unwrap_or(Value::Null);
    let mut template = spec["template"].clone();
    set_label(&mut template, TEMPLATE_HASH, &observed.hash);
    let mut selector = spec["selector"].clone();
    if !selector["matchLabels"].is_object() {
        selector["matchLabels"] = json!({});
    }
    selector["matchLabels"][TEMPLATE_HASH] = json!(observed.hash);
    let copied = facts.annotations.iter().filter(|(name, _)| !OWN.contains(&&**name));
    let mut annotations: serde_json::Map<String, Value> =
        copied.map(|(name, value)| (name.to_string(), json!(&**value))).collect();
    let revision = next_revision(turn).to_string();
    annotations.insert(REVISION.into(), json!(revision));
    annotations.insert(DESIRED.into(), json!(facts.replicas.to_string()));
    annotations.insert(MAX.into(), json!((facts.replicas + facts.max_surge()).to_string()));
    let name = names::hashed(&deployment.key().name, &observed.hash);
    progress::created(turn, &name);
    turn.create = Some(json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": name, "namespace": &*deployment.key().namespace, "annotations": annotations,
            "labels": template["metadata"]["labels"], "ownerReferences": [observed.parent.reference()],
        },
        "spec": {
            "replicas": replicas, "minReadySeconds": facts.min_ready_secs, "selector": selector, "template": template,
        },
    }));
}

/// Deletes the oldest of the ReplicaSets that are scaled down, beyond the limit of the history.
pub(super) fn clean_up(turn: &mut Turn<'_>) {
    let Some(limit) = turn.facts.history_limit else { return };
    let alive = |at: &usize| !turn.sets[*at].row.object.header().is_terminating();
    let mut old: Vec<usize> = turn.old().filter(alive).collect();
    // A stable sort: those of the same number stay in the order of their age.
    old.sort_by_key(|at| turn.sets[*at].revision());
    let surplus = old.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    let idle = |at: &usize| {
        let set = &turn.sets[*at];
        let (facts, header) = (&set.row.facts, set.row.object.header());
        facts.actual == 0
            && facts.replicas == 0
            && set.replicas == 0
            && header.generation <= facts.observed_generation
    };
    turn.delete = old.into_iter().take(surplus).filter(idle).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_drops_its_oldest_numbers() {
        assert_eq!(with_past("", "1"), "1");
        assert_eq!(with_past("1,3", "7"), "1,3,7");
        let long = (1000..1400).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        let kept = with_past(&long, "1400");
        assert!(
            kept.len() <= HISTORY_MAX && kept.ends_with(",1399,1400") && !kept.starts_with("1000"),
            "{kept}"
        );
    }
}

//! The counts of ReplicaSets, Deployments and StatefulSets.

use orch_core::selector::Selector;
use orch_core::{Live, kind};
use serde_json::Value;

use super::is_judged;
use crate::chaos::invariants::tree::{
    Round, condition, controller, holds, is_active, is_available, is_terminal, number, ordinal, phase_of,
    same, same_template, scaled, text,
};
use crate::chaos::{Truth, World};

pub(super) fn settled(world: &World<'_>) -> Result<(), String> {
    let truth = world.truth;
    for set in truth.of(kind::REPLICA_SETS).filter(|set| is_judged(truth, set)) {
        replica_set(world, set)?;
    }
    for deployment in truth.of(kind::DEPLOYMENTS).filter(|deployment| is_judged(truth, deployment)) {
        self::deployment(truth, deployment)?;
    }
    for set in truth.of(kind::STATEFUL_SETS).filter(|set| is_judged(truth, set)) {
        stateful_set(world, set)?;
    }
    Ok(())
}

/// Whether its controller has seen the object as it is.
fn observed(live: &Live, status: &Value) -> Result<(), String> {
    let (seen, is) = (number(&status["observedGeneration"]), live.header().generation);
    same(&format!("observedGeneration of {}", live.key()), &seen, &is)
}

fn counts(live: &Live, status: &Value, counts: &[(&str, usize)]) -> Result<(), String> {
    for (field, expected) in counts {
        let expected = i64::try_from(*expected).unwrap_or(i64::MAX);
        same(&format!("{field} of {}", live.key()), &number(&status[*field]), &expected)?;
    }
    Ok(())
}

/// The pods that an object controls and selects.
fn pods<'a>(truth: &'a Truth, owner: &'a Live, spec: &Value) -> Vec<&'a Live> {
    let selector = Selector::from_value(&spec["selector"]).unwrap_or_else(|_| Selector::nothing());
    let selected = move |pod: &&Live| selector.matches(|label| pod.label(label));
    truth.controlled(owner.uid(), kind::PODS).filter(selected).collect()
}

/// How many of these pods are available, unless that is about to change.
fn available(world: &World<'_>, pods: &[&Live], min_ready_secs: i64) -> Option<usize> {
    let verdicts = pods.iter().map(|pod| is_available(&pod.tree()["status"], min_ready_secs, world.now));
    let verdicts: Option<Vec<bool>> = verdicts.collect();
    Some(verdicts?.into_iter().filter(|available| *available).count())
}

fn replica_set(world: &World<'_>, set: &Live) -> Result<(), String> {
    let tree = set.tree();
    let (spec, status) = (&tree["spec"], &tree["status"]);
    observed(set, status)?;
    let all = pods(world.truth, set, spec);
    let active: Vec<&Live> = all.iter().filter(|pod| is_active(pod)).copied().collect();
    let labels = &spec["template"]["metadata"]["labels"];
    let labelled = |pod: &&&Live| {
        super::super::tree::fields(labels).all(|(name, value)| pod.label(name) == value.as_str())
    };
    let ready = active.iter().filter(|pod| holds(&pod.tree()["status"], "Ready")).count();
    let terminating = all.iter().filter(|pod| pod.header().is_terminating() && !is_terminal(pod)).count();
    counts(
        set,
        status,
        &[
            ("replicas", active.len()),
            ("readyReplicas", ready),
            ("fullyLabeledReplicas", active.iter().filter(labelled).count()),
            ("terminatingReplicas", terminating),
        ],
    )?;
    match available(world, &active, number(&spec["minReadySeconds"])) {
        Some(available) => counts(set, status, &[("availableReplicas", available)]),
        None => Ok(()),
    }
}

fn deployment(truth: &Truth, deployment: &Live) -> Result<(), String> {
    let tree = deployment.tree();
    let (spec, status) = (&tree["spec"], &tree["status"]);
    observed(deployment, status)?;
    let sets: Vec<_> = truth.controlled(deployment.uid(), kind::REPLICA_SETS).map(|set| set.tree()).collect();
    let sum = |pointer: &str| sets.iter().map(|set| set.pointer(pointer).map_or(0, number)).sum::<i64>();
    let new = sets.iter().find(|set| same_template(&set["spec"]["template"], &spec["template"]));
    revision(deployment, &tree, &sets, new)?;
    let available = sum("/status/availableReplicas");
    let all = [
        ("replicas", sum("/status/replicas")),
        ("updatedReplicas", new.map_or(0, |new| number(&new["status"]["replicas"]))),
        ("readyReplicas", sum("/status/readyReplicas")),
        ("availableReplicas", available),
        ("unavailableReplicas", (sum("/spec/replicas") - available).max(0)),
        ("terminatingReplicas", sum("/status/terminatingReplicas")),
    ];
    for (field, expected) in all {
        same(&format!("{field} of {}", deployment.key()), &number(&status[field]), &expected)?;
    }
    let is_available = available >= number(&spec["replicas"]) - max_unavailable(spec);
    let said = condition(status, "Available").map_or("", |condition| text(&condition["status"]));
    same(&format!("Available of {}", deployment.key()), &said, &if is_available { "True" } else { "False" })
}

/// The ReplicaSet of the template has the highest revision, and the Deployment says so (`SetNewReplicaSetAnnotations` of
/// `pkg/controller/deployment/util/deployment_util.go`): `kubectl rollout undo` goes by it.
fn revision(
    deployment: &Live,
    tree: &Value,
    sets: &[std::sync::Arc<Value>],
    new: Option<&std::sync::Arc<Value>>,
) -> Result<(), String> {
    let Some(new) = new else { return Ok(()) };
    let of = |tree: &Value| {
        text(&tree["metadata"]["annotations"]["deployment.kubernetes.io/revision"]).parse().unwrap_or(0)
    };
    let (said, newest): (i64, i64) = (of(tree), of(new));
    same(&format!("the revision of {}", deployment.key()), &said, &newest)?;
    let as_high =
        sets.iter().find(|set| set["metadata"]["uid"] != new["metadata"]["uid"] && of(set) >= newest);
    match as_high {
        Some(old) => Err(format!(
            "the template of {} has the revision {newest}, and the old {} has {}",
            deployment.key(),
            old["metadata"]["name"],
            of(old)
        )),
        None => Ok(()),
    }
}

/// How many pods of a Deployment may be unavailable (`MaxUnavailable` of `pkg/controller/deployment/util`).
fn max_unavailable(spec: &Value) -> i64 {
    let (replicas, bounds) = (number(&spec["replicas"]), &spec["strategy"]["rollingUpdate"]);
    if spec["strategy"]["type"] == "Recreate" {
        return 0;
    }
    let most = scaled(&bounds["maxUnavailable"], replicas, Round::Down).unwrap_or(0);
    let surge = scaled(&bounds["maxSurge"], replicas, Round::Up).unwrap_or(0);
    if most == 0 && surge == 0 { 1.min(replicas) } else { most.min(replicas) }
}

fn stateful_set(world: &World<'_>, set: &Live) -> Result<(), String> {
    let tree = set.tree();
    let (spec, status) = (&tree["spec"], &tree["status"]);
    observed(set, status)?;
    let name = &set.key().name;
    let mut pods = pods(world.truth, set, spec);
    pods.retain(|pod| ordinal(name, &pod.key().name).is_some());
    let ready: Vec<&Live> = pods
        .iter()
        .filter(|pod| phase_of(pod) == "Running" && holds(&pod.tree()["status"], "Ready"))
        .copied()
        .collect();
    let at = |revision: &Value| {
        let at = |pod: &&&Live| {
            !pod.header().is_terminating() && pod.label("controller-revision-hash") == revision.as_str()
        };
        pods.iter().filter(at).count()
    };
    counts(
        set,
        status,
        &[
            ("replicas", pods.len()),
            ("readyReplicas", ready.len()),
            ("currentReplicas", at(&status["currentRevision"])),
            ("updatedReplicas", at(&status["updateRevision"])),
        ],
    )?;
    if let Some(available) = available(world, &ready, number(&spec["minReadySeconds"])) {
        counts(set, status, &[("availableReplicas", available)])?;
    }
    revisions(world.truth, set, spec, status)
}

/// The revisions that a set names are there, and the one it updates to is that of its template.
fn revisions(truth: &Truth, set: &Live, spec: &Value, status: &Value) -> Result<(), String> {
    for field in ["currentRevision", "updateRevision"] {
        let named = text(&status[field]);
        let revision = truth.get(&set.key().sibling(kind::CONTROLLER_REVISIONS, named));
        let Some(revision) =
            revision.filter(|revision| controller(revision.header(), "StatefulSet") == Some(set.uid()))
        else {
            return Err(format!("{field} of {} is {named:?}, which is none of its revisions", set.key()));
        };
        let mut template = revision.tree()["data"]["spec"]["template"].clone();
        if let Some(fields) = template.as_object_mut() {
            fields.remove("$patch");
        }
        if field == "updateRevision" && !same_template(&template, &spec["template"]) {
            return Err(format!("updateRevision of {} has another template than the set", set.key()));
        }
    }
    Ok(())
}

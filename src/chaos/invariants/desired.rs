//! What is wanted is there, and nothing else, once the cluster is at rest.
//!
//! Sources: <https://kubernetes.io/docs/concepts/architecture/controller/> and the pages of each workload. Excepted:
//! a StatefulSet with `OrderedReady` (or `OnDelete`) one of whose pods of an older revision cannot become ready, which
//! Kubernetes leaves to people
//! (<https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback>); paused Deployments; pods with
//! scheduling gates; what persons hold by their finalizers; and what is on nodes that do not answer.

mod held;
mod pods;

use std::collections::BTreeSet;

use orch_core::{Key, Live, Str, kind};
use serde_json::Value;

use super::tree::{controller, holds, is_active, list, number, ordinal, phase_of, same, same_template, text};
use crate::chaos::{Happening, Invariant, Truth, World};

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct Desired;

impl Invariant for Desired {
    fn name(&self) -> &str {
        "desired"
    }

    fn see(&mut self, _: &World<'_>, _: &Happening<'_>) -> Result<(), String> {
        Ok(())
    }

    fn settled(&mut self, world: &World<'_>) -> Result<(), String> {
        let truth = world.truth;
        held::settled(world)?;
        let stuck: BTreeSet<Str> = truth
            .of(kind::STATEFUL_SETS)
            .filter(|set| is_stuck(truth, set))
            .map(|set| set.uid().clone())
            .collect();
        pods::settled(world, &stuck)?;
        for deployment in truth.of(kind::DEPLOYMENTS).filter(|live| stays(truth, live)) {
            self::deployment(truth, deployment)?;
        }
        let alone = |set: &&Live| controller(set.header(), "Deployment").is_none();
        for set in truth.of(kind::REPLICA_SETS).filter(|live| stays(truth, live)).filter(alone) {
            replicas(truth, set, number(&set.tree()["spec"]["replicas"]))?;
        }
        let sets =
            truth.of(kind::STATEFUL_SETS).filter(|live| stays(truth, live) && !stuck.contains(live.uid()));
        sets.into_iter().try_for_each(|set| stateful_set(truth, set))
    }
}

/// Neither an object nor its namespace is being deleted.
fn stays(truth: &Truth, live: &Live) -> bool {
    let namespace = truth.get(&Key::cluster(kind::NAMESPACES, live.key().namespace.clone()));
    !live.header().is_terminating() && namespace.is_none_or(|namespace| !namespace.header().is_terminating())
}

fn is_ready(pod: &Live) -> bool {
    phase_of(pod) == "Running" && holds(&pod.tree()["status"], "Ready")
}

/// A ReplicaSet has so many pods, all of them ready.
fn replicas(truth: &Truth, set: &Live, wanted: i64) -> Result<(), String> {
    let pods: Vec<&Live> = truth.controlled(set.uid(), kind::PODS).filter(|pod| is_active(pod)).collect();
    let count = i64::try_from(pods.len()).unwrap_or(i64::MAX);
    same(&format!("the number of pods of {}", set.key()), &count, &wanted)?;
    match pods.iter().find(|pod| !is_ready(pod)) {
        Some(pod) => Err(format!("{} of {} is not ready", pod.key(), set.key())),
        None => Ok(()),
    }
}

fn deployment(truth: &Truth, deployment: &Live) -> Result<(), String> {
    let tree = deployment.tree();
    let spec = &tree["spec"];
    if spec["paused"] == true {
        return Ok(());
    }
    let is_new = |set: &Live| same_template(&set.tree()["spec"]["template"], &spec["template"]);
    let sets: Vec<&Live> = truth.controlled(deployment.uid(), kind::REPLICA_SETS).collect();
    let Some(new) = sets.iter().find(|set| is_new(set)) else {
        return Err(format!("{} has no ReplicaSet of its template", deployment.key()));
    };
    let wanted = number(&spec["replicas"]);
    same(&format!("spec.replicas of {}", new.key()), &number(&new.tree()["spec"]["replicas"]), &wanted)?;
    replicas(truth, new, wanted)?;
    for old in sets.iter().filter(|set| set.uid() != new.uid()) {
        same(
            &format!("spec.replicas of the old {}", old.key()),
            &number(&old.tree()["spec"]["replicas"]),
            &0,
        )?;
        replicas(truth, old, 0)?;
    }
    Ok(())
}

/// The pods of a StatefulSet by ordinal, those that are being deleted or have ended included.
fn members<'a>(truth: &'a Truth, set: &'a Live) -> impl Iterator<Item = (i64, &'a Live)> {
    let name = &set.key().name;
    truth
        .controlled(set.uid(), kind::PODS)
        .filter_map(move |pod| Some((ordinal(name, &pod.key().name)?, pod)))
}

fn revision_of(pod: &Live) -> &str {
    pod.label("controller-revision-hash").unwrap_or_default()
}

/// Whether people must help: a pod of an older revision is not ready, and nothing replaces it before it is.
fn is_stuck(truth: &Truth, set: &Live) -> bool {
    let tree = set.tree();
    let spec = &tree["spec"];
    let waits = spec["podManagementPolicy"] != "Parallel" || spec["updateStrategy"]["type"] == "OnDelete";
    let update = text(&tree["status"]["updateRevision"]);
    waits && members(truth, set).any(|(_, pod)| !is_ready(pod) && revision_of(pod) != update)
}

fn stateful_set(truth: &Truth, set: &Live) -> Result<(), String> {
    let (tree, key) = (set.tree(), set.key());
    let spec = &tree["spec"];
    let start = number(&spec["ordinals"]["start"]);
    let mut found: Vec<(i64, &Live)> = members(truth, set).collect();
    found.sort_by_key(|(ordinal, _)| *ordinal);
    let ordinals: Vec<i64> = found.iter().map(|(ordinal, _)| *ordinal).collect();
    same(
        &format!("the ordinals of {key}"),
        &ordinals,
        &(start..start + number(&spec["replicas"])).collect(),
    )?;
    let update = text(&tree["status"]["updateRevision"]);
    let rolls = spec["updateStrategy"]["type"] != "OnDelete";
    let partition = number(&spec["updateStrategy"]["rollingUpdate"]["partition"]);
    for (ordinal, pod) in found {
        if !is_ready(pod) {
            return Err(format!("{} of {key} is not ready", pod.key()));
        }
        if rolls && ordinal - start >= partition && revision_of(pod) != update {
            return Err(format!(
                "{} of {key} is of revision {:?}, not {update:?}",
                pod.key(),
                revision_of(pod)
            ));
        }
        claims(truth, spec, set, pod, ordinal)?;
    }
    Ok(())
}

/// A pod of a StatefulSet has its claims.
fn claims(truth: &Truth, spec: &Value, set: &Live, pod: &Live, ordinal: i64) -> Result<(), String> {
    for template in list(&spec["volumeClaimTemplates"]) {
        let name = format!("{}-{}-{ordinal}", text(&template["metadata"]["name"]), set.key().name);
        if truth.get(&set.key().sibling(kind::PERSISTENT_VOLUME_CLAIMS, name.as_str())).is_none() {
            return Err(format!("{} runs without its claim {name}", pod.key()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! Whether users have what they want.
//!
//! Judged by what the cluster says of itself in the end; that it is true is for invariants to see.

use orch_core::{Key, Live, kind};
use serde_json::Value;

use super::super::Truth;
use super::Shop;
use super::tree::{has_labels, list, number, text};

/// What is missing, if anything is.
pub(super) fn check(shop: &Shop, truth: &Truth) -> Result<(), String> {
    for manifest in shop.namespaces.iter().chain(shop.wanted()) {
        if truth.get(&manifest.key).is_none() {
            return Err(format!("{} is not there", manifest.key));
        }
    }
    let is_lost = |pod: &&Live| {
        let node = pod.field("spec.nodeName").filter(|node| !node.is_empty());
        node.is_some_and(|node| truth.get(&Key::cluster(kind::NODES, node)).is_none())
    };
    if let Some(pod) = truth.of(kind::PODS).find(is_lost) {
        return Err(format!("{} is bound to a node that is gone", pod.key()));
    }
    for place in shop.places.iter() {
        if let Some(live) = all(truth, place).find(|live| live.header().is_terminating()) {
            return Err(format!("{} is still there, and is to go", live.key()));
        }
        truth.in_namespace(kind::DEPLOYMENTS, place).try_for_each(deployment)?;
        truth.in_namespace(kind::STATEFUL_SETS, place).try_for_each(stateful_set)?;
        truth.in_namespace(kind::REPLICA_SETS, place).try_for_each(replica_set)?;
        truth.in_namespace(kind::PODS, place).try_for_each(pod)?;
        truth.in_namespace(kind::SERVICES, place).try_for_each(|service| endpoints(truth, service))?;
    }
    Ok(())
}

/// Everything of users in a namespace, and the namespace.
fn all<'a>(truth: &'a Truth, place: &'a str) -> impl Iterator<Item = &'a Live> {
    const KINDS: [orch_core::Kind; 6] = [
        kind::DEPLOYMENTS,
        kind::STATEFUL_SETS,
        kind::REPLICA_SETS,
        kind::PODS,
        kind::SERVICES,
        kind::PERSISTENT_VOLUME_CLAIMS,
    ];
    let namespace = truth.get(&Key::cluster(kind::NAMESPACES, place));
    KINDS.iter().flat_map(move |kind| truth.in_namespace(*kind, place)).chain(namespace)
}

/// Compares counts of a status with what they should be.
fn counts(live: &Live, wanted: i64, names: &[&str]) -> Result<(), String> {
    let tree = live.tree();
    let status = &tree["status"];
    if number(&status["observedGeneration"]) < live.header().generation {
        return Err(format!("{} has not been looked at since its last change", live.key()));
    }
    for name in names {
        let found = number(&status[*name]);
        if found != wanted {
            return Err(format!("{}: {name} is {found}, wanted are {wanted}", live.key()));
        }
    }
    Ok(())
}

fn deployment(live: &Live) -> Result<(), String> {
    let tree = live.tree();
    let wanted = number(&tree["spec"]["replicas"]);
    counts(live, wanted, &["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"])?;
    if has_condition(&tree, "Available") { Ok(()) } else { Err(format!("{} is not available", live.key())) }
}

fn stateful_set(live: &Live) -> Result<(), String> {
    let tree = live.tree();
    let wanted = number(&tree["spec"]["replicas"]);
    counts(live, wanted, &["replicas", "readyReplicas", "availableReplicas"])?;
    if text(&tree["spec"]["updateStrategy"]["type"]) == "OnDelete" {
        return Ok(());
    }
    counts(live, wanted, &["updatedReplicas"])
}

fn replica_set(live: &Live) -> Result<(), String> {
    let wanted = number(&live.tree()["spec"]["replicas"]);
    counts(live, wanted, &["replicas", "readyReplicas", "availableReplicas"])
}

fn pod(live: &Live) -> Result<(), String> {
    let tree = live.tree();
    match text(&tree["status"]["phase"]) {
        "Succeeded" | "Failed" => Ok(()),
        "Running" if has_condition(&tree, "Ready") => Ok(()),
        "Running" => Err(format!("{} is not ready", live.key())),
        phase => Err(format!("{} is {phase}", live.key())),
    }
}

fn has_condition(tree: &Value, name: &str) -> bool {
    list(&tree["status"]["conditions"])
        .iter()
        .any(|condition| condition["type"] == name && condition["status"] == "True")
}

/// A Service has a ready endpoint for each pod that it selects and that is ready, or is not asked to be.
fn endpoints(truth: &Truth, service: &Live) -> Result<(), String> {
    let (key, tree) = (service.key(), service.tree());
    let whatever = tree["spec"]["publishNotReadyAddresses"] == true;
    let serves = |pod: &&Live| {
        let tree = pod.tree();
        let runs = matches!(text(&tree["status"]["phase"]), "Running" | "Pending");
        has_labels(pod, &service.tree()["spec"]["selector"])
            && runs
            && (whatever || has_condition(&tree, "Ready"))
    };
    let wanted = truth.in_namespace(kind::PODS, &key.namespace).filter(serves).count();
    let slices = truth.in_namespace(kind::ENDPOINT_SLICES, &key.namespace);
    let of_this = slices.filter(|slice| slice.label("kubernetes.io/service-name") == Some(&*key.name));
    let ready = |slice: &Live| {
        list(&slice.tree()["endpoints"])
            .iter()
            .filter(|endpoint| endpoint["conditions"]["ready"] == true)
            .count()
    };
    let found: usize = of_this.map(ready).sum();
    if found == wanted {
        return Ok(());
    }
    Err(format!("{key} has {found} ready endpoints, and {wanted} pods are ready"))
}

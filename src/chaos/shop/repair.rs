//! What users do at last: lift what they hold back, so that the cluster can do all that they want.
//!
//! Decided from what is true alone. Invariant: when it answers nothing, no user holds anything back and everything that is
//! wanted fits comfortably, also into one zone.

use orch_core::{Live, Write, kind};
use serde_json::{Value, json};

use super::super::Truth;
use super::Shop;
use super::action::{let_go, nodes as admin};
use super::pick::{self, is_free, is_open, is_owned_by, staying};
use super::template::{is_broken, is_large, repaired};
use super::tree::{Manifest, edit, list, number, patch, text};

/// Most replicas of an app in the end.
const COMFORTABLE: i64 = 3;

/// Everything that is to be put right.
pub(super) fn plan(shop: &Shop, truth: &Truth) -> Vec<Write> {
    let mut writes: Vec<Write> = admin::to_put_back(truth);
    for node in pick::nodes(truth) {
        let cordoned = node.tree()["spec"]["unschedulable"] == true;
        writes.extend(cordoned.then(|| merge(node, json!({"spec": {"unschedulable": null}}))));
        writes.extend(admin::untainted(node));
    }
    writes.extend(truth.all().filter_map(let_go));
    writes.extend(missing(shop, truth));
    for kind in [kind::DEPLOYMENTS, kind::STATEFUL_SETS] {
        writes.extend(staying(truth, &shop.places, kind).filter_map(workload));
    }
    let sets = staying(truth, &shop.places, kind::REPLICA_SETS);
    writes.extend(sets.filter_map(|set| replica_set(shop, truth, set)));
    writes.extend(services(shop, truth));
    let pods = staying(truth, &shop.places, kind::PODS);
    writes.extend(pods.filter(|pod| is_hopeless(truth, pod)).map(|pod| Write::delete(pod.key().clone())));
    writes
}

fn merge(live: &Live, patch: Value) -> Write {
    Write::merge(live.key().clone(), patch)
}

/// What is wanted and not there: first what others need.
fn missing(shop: &Shop, truth: &Truth) -> Vec<Write> {
    let absent = |manifest: &&Manifest| truth.get(&manifest.key).is_none();
    let mut writes: Vec<Write> = shop.cluster.iter().filter(absent).map(Manifest::create).collect();
    let mut open: Vec<&str> =
        shop.places.iter().map(|place| &**place).filter(|place| is_open(truth, place)).collect();
    for namespace in shop.namespaces.iter().filter(absent) {
        writes.push(namespace.create());
        open.push(&namespace.key.name);
    }
    let wanted = shop.wanted().filter(|manifest| open.contains(&&*manifest.key.namespace));
    writes.extend(wanted.filter(absent).map(Manifest::create));
    writes
}

/// An app gets a template that works and a comfortable size, and rolls out to its end; `None` when it has all that.
fn workload(live: &Live) -> Option<Write> {
    let tree = live.tree();
    let mut spec = tree["spec"].clone();
    repaired(&mut spec["template"]);
    if number(&spec["replicas"]) > COMFORTABLE {
        spec["replicas"] = json!(COMFORTABLE);
    }
    if spec["paused"] == true {
        spec["paused"] = json!(false);
    }
    if let Some(partition) = spec.pointer_mut("/updateStrategy/rollingUpdate/partition") {
        *partition = json!(0);
    }
    patch(&tree["spec"], &spec).map(|patch| merge(live, json!({"spec": patch})))
}

/// A ReplicaSet of the users' own is put right; one that no Deployment owns any more goes.
fn replica_set(shop: &Shop, truth: &Truth, set: &Live) -> Option<Write> {
    let owner = set.header().controller().and_then(|owner| truth.by_uid(&owner.uid));
    match owner {
        Some(owner) => owner.header().has_finalizer("orphan").then(|| Write::delete(set.key().clone())),
        None if shop.apps.iter().any(|app| app.key() == set.key()) => workload(set),
        // Another Deployment may have the template and adopt it; else nobody wants it.
        None => Some(Write::delete(set.key().clone())),
    }
}

/// Services select what they were made for.
fn services(shop: &Shop, truth: &Truth) -> Vec<Write> {
    let services = shop.wanted().filter(|manifest| manifest.key.kind == kind::SERVICES);
    let back = |manifest: &Manifest| {
        let live = truth.get(&manifest.key).filter(|live| !live.header().is_terminating())?;
        edit(live, "selector", |selector| selector.clone_from(&manifest.tree["spec"]["selector"]))
    };
    services.filter_map(back).collect()
}

/// Whether a pod has to go: nobody replaces it, and it cannot do what it is there for.
fn is_hopeless(truth: &Truth, pod: &Live) -> bool {
    let tree = pod.tree();
    if holds_claim(truth, pod, &tree["spec"]) || takes_identity(truth, pod) {
        return true;
    }
    if is_free(pod) {
        let phase = text(&tree["status"]["phase"]);
        return phase != "Running" || is_broken(&tree["metadata"]) || is_large(&tree["spec"]);
    }
    // A set that is ordered, or updated on deletion, waits for such a pod after its template was put right, too:
    // https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback
    let cannot_run = is_broken(&tree["metadata"])
        || is_large(&tree["spec"]) && text(&tree["status"]["phase"]) == "Pending";
    cannot_run && !is_of_deployment(truth, pod)
}

/// Whether the pod keeps a claim from going that somebody has deleted.
fn holds_claim(truth: &Truth, pod: &Live, spec: &Value) -> bool {
    list(&spec["volumes"]).iter().any(|volume| {
        let claim = text(&volume["persistentVolumeClaim"]["claimName"]);
        let claim = truth.get(&pod.key().sibling(kind::PERSISTENT_VOLUME_CLAIMS, claim));
        claim.is_some_and(|claim| claim.header().is_terminating())
    })
}

/// Whether the pod has the name that a pod of a StatefulSet would have, and is somebody else's.
fn takes_identity(truth: &Truth, pod: &Live) -> bool {
    let Some((set, ordinal)) = pod.key().name.rsplit_once('-') else { return false };
    let set = truth.get(&pod.key().sibling(kind::STATEFUL_SETS, set));
    let owner = pod.header().controller().map(|owner| &owner.uid);
    ordinal.bytes().all(|digit| digit.is_ascii_digit()) && set.is_some_and(|set| owner != Some(set.uid()))
}

/// Whether a Deployment replaces the pod as soon as its template works.
fn is_of_deployment(truth: &Truth, pod: &Live) -> bool {
    let owner = pod.header().controller().and_then(|owner| truth.by_uid(&owner.uid));
    // A pod that was adopted is not of its template.
    let is_made_by = |owner: &Live| pod.key().name.starts_with(&*owner.key().name);
    owner.is_some_and(|owner: &Live| is_owned_by(owner, "Deployment") && is_made_by(owner))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use orch_core::{Change, Object, Registry, Revision};

    use super::super::template::SIZES;
    use super::*;

    fn live(mut tree: Value, kind: &str, name: &str, owner: &str) -> Live {
        let version = if kind == "Pod" { "v1" } else { "apps/v1" };
        let info = Registry::built_in().by_api_version(version, kind).unwrap();
        (tree["apiVersion"], tree["kind"]) = (json!(version), json!(kind));
        let (uid, owner_uid) = (format!("{name}-uid"), format!("{owner}-uid"));
        tree["metadata"] = json!({"name": name, "namespace": "shop", "uid": uid, "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": owner, "name": owner, "uid": owner_uid, "controller": true}]});
        Live::from(Object::encode(&info, &tree).unwrap().at(Revision(1)))
    }

    #[track_caller]
    fn check(name: &str, owner: &str, phase: &str, size: usize, expected: bool) {
        let mut truth = Truth::default();
        let set = live(json!({}), "ReplicaSet", "ReplicaSet", "Deployment");
        truth.apply(&Arc::new(Change::new(Revision(1), Some(set), None)));
        let (cpu, memory) = SIZES[size];
        let requests = json!({"requests": {"cpu": cpu, "memory": memory}});
        let spec = json!({"containers": [{"name": "main", "image": "shop/db0:1", "resources": requests}]});
        let name = format!("{name}-0");
        let pod = live(json!({"spec": spec, "status": {"phase": phase}}), "Pod", &name, owner);
        assert_eq!(is_hopeless(&truth, &pod), expected, "{owner} {phase} {cpu}");
    }

    /// Found by chaos (seed 191): the template of a set that is updated on deletion was put right, and its pod of the size
    /// before waited for room for ever.
    #[test]
    fn a_pod_without_room_goes_unless_a_rollout_replaces_it() {
        check("db0", "StatefulSet", "Pending", 2, true);
        check("db0", "StatefulSet", "Running", 2, false);
        check("db0", "StatefulSet", "Pending", 0, false);
        check("ReplicaSet", "ReplicaSet", "Pending", 2, false);
        check("adopted", "ReplicaSet", "Pending", 2, true);
    }
}

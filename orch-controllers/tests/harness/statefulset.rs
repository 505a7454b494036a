//! Scenarios of the StatefulSet controller.

use std::collections::BTreeMap;

use orch_controllers::statefulset::StatefulSetController;
use orch_core::{Key, Live, Verb, Write, kind};
use serde_json::{Value, json};

use crate::kubelet::Act;
use crate::lane::{Decide, Make};
use crate::laws::{is_ready, number, same, text};
use crate::{Allowed, Scenario, Transition, Truth, User, scenario};

const ALLOWED: &[Allowed] = &[
    Allowed::CreateOwned(kind::PODS),
    Allowed::DeleteOwned(kind::PODS),
    Allowed::CreateOwned(kind::CONTROLLER_REVISIONS),
    Allowed::DeleteOwned(kind::CONTROLLER_REVISIONS),
    Allowed::Create(kind::PERSISTENT_VOLUME_CLAIMS),
    Allowed::Patch(kind::PERSISTENT_VOLUME_CLAIMS, &["metadata.ownerReferences"]),
    Allowed::Patch(kind::PODS, &["metadata.ownerReferences", "metadata.labels"]),
    Allowed::Patch(kind::CONTROLLER_REVISIONS, &["metadata.ownerReferences", "revision"]),
    Allowed::Patch(kind::STATEFUL_SETS, &["status"]),
];

fn controller() -> Box<dyn Decide> {
    Box::new(StatefulSetController::default())
}

fn key() -> Key {
    Key::new(kind::STATEFUL_SETS, "default", "db")
}

fn set(replicas: i64, management: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "default"},
        "spec": {
            "replicas": replicas, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
            "podManagementPolicy": management, "revisionHistoryLimit": 1,
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "image": "v1"}]}},
        },
    })
}

fn with_claims(mut tree: Value, deleted: &str, scaled: &str) -> Value {
    tree["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]);
    tree["spec"]["persistentVolumeClaimRetentionPolicy"] =
        json!({"whenDeleted": deleted, "whenScaled": scaled});
    tree
}

fn merge(patch: Value) -> User {
    User::Write(Write::merge(key(), patch))
}

fn scale(replicas: i64) -> User {
    merge(json!({"spec": {"replicas": replicas}}))
}

fn image(image: &str) -> User {
    merge(json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}))
}

fn ordinal(name: &str) -> i64 {
    name.rsplit_once('-').and_then(|(_, digits)| digits.parse().ok()).unwrap_or(-1)
}

fn by_ordinal(truth: &Truth) -> BTreeMap<i64, &Live> {
    truth.controlled(&key(), kind::PODS).into_iter().map(|pod| (ordinal(&pod.key().name), pod)).collect()
}

/// Holds whatever fails: claims before pods, and no pod that another of its name may still be.
fn identity(transition: &Transition<'_>) -> Result<(), String> {
    let write = transition.write;
    if write.key.kind != kind::PODS
        || !matches!(write.verb, Verb::Create(_))
        || transition.actor != "statefulset-controller"
    {
        return Ok(());
    }
    let pod = transition.after.get(&write.key).ok_or("it was not created")?;
    for volume in pod["spec"]["volumes"].as_array().into_iter().flatten() {
        let Some(claim) = volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str) else {
            continue;
        };
        if transition.before.get(&write.key.sibling(kind::PERSISTENT_VOLUME_CLAIMS, claim)).is_none() {
            return Err(format!("{} before its claim {claim}", write.key));
        }
    }
    let revision = text(&pod, "/metadata/labels/controller-revision-hash");
    let revision = write.key.sibling(kind::CONTROLLER_REVISIONS, revision);
    transition.before.get(&revision).map(|_| ()).ok_or(format!("{} before {revision}", write.key))
}

/// When no pod fails: pods start upwards, each after those before it, and end downwards.
fn ordered(transition: &Transition<'_>) -> Result<(), String> {
    identity(transition)?;
    let write = transition.write;
    if write.key.kind != kind::PODS || transition.actor != "statefulset-controller" {
        return Ok(());
    }
    let (at, before) = (ordinal(&write.key.name), by_ordinal(transition.before));
    match write.verb {
        Verb::Create(_) => {
            for below in 0..at {
                if !before.get(&below).is_some_and(|pod| is_ready(pod)) {
                    return Err(format!("db-{at} starts and db-{below} is not ready"));
                }
            }
            Ok(())
        }
        Verb::Delete(_) => one_at_a_time(transition, at),
        _ => Ok(()),
    }
}

fn one_at_a_time(transition: &Transition<'_>, at: i64) -> Result<(), String> {
    let before = by_ordinal(transition.before);
    let unready = before.values().filter(|pod| !is_ready(pod)).count();
    if unready > 0 {
        return Err(format!("db-{at} ends and {unready} others are not ready"));
    }
    let replicas = transition.most(|tree| number(tree, "/spec/replicas"));
    match before.keys().find(|above| **above > at && at >= replicas) {
        Some(above) => Err(format!("db-{at} ends and db-{above} is there")),
        None => Ok(()),
    }
}

/// When no pod fails: an update leaves as many available as asked for.
fn available(transition: &Transition<'_>) -> Result<(), String> {
    identity(transition)?;
    let ready = |truth: &Truth| {
        i64::try_from(by_ordinal(truth).values().filter(|pod| is_ready(pod)).count()).unwrap()
    };
    let (before, after) = (ready(transition.before), ready(transition.after));
    let least = transition.least(|tree| number(tree, "/spec/replicas") - 2);
    if transition.actor == "statefulset-controller" && before >= least && after < least {
        return Err(format!("{after} pods are available, {least} are needed"));
    }
    Ok(())
}

fn settled(truth: &Truth) -> Result<(), String> {
    let tree = truth.get(&key()).ok_or("it is gone")?;
    let replicas = number(&tree, "/spec/replicas");
    let partition = number(&tree, "/spec/updateStrategy/rollingUpdate/partition");
    let pods = by_ordinal(truth);
    same("ordinals", pods.keys().copied().collect::<Vec<_>>(), (0..replicas).collect())?;
    for (ordinal, pod) in pods {
        same("readiness", is_ready(pod), true)?;
        if ordinal >= partition {
            let revision = pod.label("controller-revision-hash").unwrap_or_default().to_owned();
            same("revision", revision, text(&tree, "/status/updateRevision").to_owned())?;
            let image = text(&pod.tree(), "/spec/containers/0/image").to_owned();
            same("image", image, text(&tree, "/spec/template/spec/containers/0/image").to_owned())?;
        }
    }
    for field in ["replicas", "readyReplicas", "availableReplicas"] {
        same(field, number(&tree, &format!("/status/{field}")), replicas)?;
    }
    if partition == 0 {
        same(
            "currentRevision",
            text(&tree, "/status/currentRevision"),
            text(&tree, "/status/updateRevision"),
        )?;
        same("updatedReplicas", number(&tree, "/status/updatedReplicas"), replicas)?;
    }
    same("generation", number(&tree, "/status/observedGeneration"), number(&tree, "/metadata/generation"))?;
    let revisions = truth.controlled(&key(), kind::CONTROLLER_REVISIONS).len();
    if revisions > 3 { Err(format!("{revisions} revisions are kept")) } else { Ok(()) }
}

/// A pod that is scaled away has its claims with it.
fn retained(transition: &Transition<'_>) -> Result<(), String> {
    identity(transition)?;
    let write = transition.write;
    let ends = write.key.kind == kind::PODS && matches!(write.verb, Verb::Delete(_));
    if !ends || transition.actor != "statefulset-controller" {
        return Ok(());
    }
    let claim = write.key.sibling(kind::PERSISTENT_VOLUME_CLAIMS, format!("data-{}", write.key.name));
    let pod = transition.before.0.get(&write.key).map(|pod| pod.uid().clone());
    let owner =
        transition.before.0.get(&claim).and_then(|claim| claim.header().controller().map(|o| o.uid.clone()));
    same(&format!("the owner of {claim}"), owner, pod)
}

/// Claims that are needed are the set's.
fn settled_claims(truth: &Truth) -> Result<(), String> {
    settled(truth)?;
    let replicas = truth.get(&key()).map_or(0, |tree| number(&tree, "/spec/replicas"));
    let needed =
        truth.of(kind::PERSISTENT_VOLUME_CLAIMS).filter(|claim| ordinal(&claim.key().name) < replicas);
    for claim in needed {
        let owner = claim.header().controller().map(|owner| owner.kind.to_string());
        same(&claim.key().name, owner, Some("StatefulSet".to_owned()))?;
    }
    Ok(())
}

fn base(first: Value, edits: Vec<User>) -> Scenario {
    let controllers: Vec<(Make, _)> = vec![(controller, ALLOWED)];
    let bystander = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "c", "image": "i"}]},
        "metadata": {"name": "db-x", "namespace": "default", "labels": {"app": "db", "bystander": "true"}}});
    Scenario {
        objects: vec![first, bystander],
        edits,
        controllers,
        acts: &[Act::Start],
        law: ordered,
        settled,
        remembers: false,
    }
}

fn updating() -> Scenario {
    let edits = vec![image("v2"), image("v3"), image("v1"), image("v2"), image("v4")];
    base(with_claims(set(3, "OrderedReady"), "Retain", "Retain"), edits)
}

fn scaling() -> Scenario {
    let edits = vec![scale(1), scale(4), image("v2"), scale(2), scale(0), scale(3)];
    Scenario { law: identity, ..base(with_claims(set(3, "OrderedReady"), "Retain", "Retain"), edits) }
}

fn parallel() -> Scenario {
    let mut first = set(5, "Parallel");
    first["spec"]["updateStrategy"] =
        json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0, "maxUnavailable": 2}});
    let edits = vec![image("v2"), image("v3"), image("v1"), image("v2")];
    Scenario { law: available, ..base(first, edits) }
}

fn partitioned() -> Scenario {
    let partition = |partition: i64| {
        merge(json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": partition}}}}))
    };
    let edits =
        vec![partition(2), image("v2"), partition(1), image("v3"), partition(3), image("v1"), partition(2)];
    base(set(4, "OrderedReady"), edits)
}

fn failing() -> Scenario {
    let edits = vec![User::DeletePod(0), image("v2"), User::DeletePod(2), image("v1"), User::DeletePod(1)];
    Scenario { acts: &[Act::Fail, Act::Unready], law: identity, ..base(set(3, "OrderedReady"), edits) }
}

fn retaining() -> Scenario {
    let first = with_claims(set(3, "Parallel"), "Delete", "Delete");
    // Claims whose pod is gone are the garbage collector's, which is not here: nothing may take their names again.
    Scenario { law: retained, settled: settled_claims, ..base(first, vec![scale(1)]) }
}

fn slowly() -> Scenario {
    let mut first = set(3, "OrderedReady");
    first["spec"]["minReadySeconds"] = json!(4);
    base(first, vec![image("v2")])
}

scenario! {
    /// One at a time, from the last to the first.
    an_update_goes_one_at_a_time = updating();
    /// Up and down again in the middle of it all.
    scaling_ends_with_the_pods_asked_for = scaling();
    /// Several at once, never more than asked for.
    a_parallel_update_keeps_enough_pods_available = parallel();
    /// Pods below the partition stay.
    a_partition_is_kept = partitioned();
    /// Pods fail and are deleted all along.
    failed_pods_are_made_again = failing();
    /// Claims go where the retention policy says.
    claims_go_with_their_pod_when_scaled_away = retaining();
    /// Availability is waited for.
    updates_wait_for_availability = slowly();
}

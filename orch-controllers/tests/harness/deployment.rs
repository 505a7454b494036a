//! Scenarios of the Deployment controller, with the ReplicaSet controller at work.

use orch_controllers::deployment::DeploymentController;
use orch_core::{Key, Live, Verb, Write, kind};
use serde_json::{Value, json};

use crate::kubelet::Act;
use crate::lane::{Decide, Make};
use crate::laws::{is_active, is_ready, number, same, text};
use crate::{Allowed, Scenario, Transition, Truth, User, replicaset, scenario};

const ALLOWED: &[Allowed] = &[
    Allowed::CreateOwned(kind::REPLICA_SETS),
    Allowed::DeleteOwned(kind::REPLICA_SETS),
    Allowed::Patch(
        kind::REPLICA_SETS,
        &["metadata.ownerReferences", "metadata.annotations", "spec.replicas", "spec.minReadySeconds"],
    ),
    Allowed::Patch(kind::DEPLOYMENTS, &["status", "metadata.annotations"]),
];

fn controller() -> Box<dyn Decide> {
    Box::new(DeploymentController::default())
}

fn key() -> Key {
    Key::new(kind::DEPLOYMENTS, "default", "web")
}

fn deployment(replicas: i64, surge: Value, unavailable: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "revisionHistoryLimit": 2,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "v1"}]}},
        },
    })
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

/// A bound of the strategy in pods, percentages rounded as the field asks for.
fn bound(tree: &Value, field: &str) -> i64 {
    let replicas = number(tree, "/spec/replicas");
    match &tree["spec"]["strategy"]["rollingUpdate"][field] {
        Value::String(percent) => {
            let percent: i64 = percent.trim_end_matches('%').parse().unwrap();
            if field == "maxSurge" { (percent * replicas + 99) / 100 } else { percent * replicas / 100 }
        }
        count => count.as_i64().unwrap_or(0),
    }
}

fn asked_for(truth: &Truth) -> i64 {
    truth
        .controlled(&key(), kind::REPLICA_SETS)
        .into_iter()
        .map(|set| number(&set.tree(), "/spec/replicas"))
        .sum()
}

/// Available pods that somebody could know of: of each ReplicaSet not more than its status says. A pod that becomes ready
/// after it was given up as broken is nobody's fault.
fn available(truth: &Truth) -> i64 {
    let known = |set: &&Live| {
        let pods = truth.controlled(set.key(), kind::PODS);
        let ready = i64::try_from(pods.iter().filter(|pod| is_ready(pod)).count()).unwrap();
        ready.min(number(&set.tree(), "/status/availableReplicas"))
    };
    truth.controlled(&key(), kind::REPLICA_SETS).iter().map(known).sum()
}

fn surge(transition: &Transition<'_>) -> Result<(), String> {
    let (before, after) = (asked_for(transition.before), asked_for(transition.after));
    let most = transition.most(|tree| number(tree, "/spec/replicas") + bound(tree, "maxSurge"));
    if transition.actor == "deployment-controller" && after > before && after > most {
        return Err(format!("ReplicaSets ask for {after} pods, {most} are allowed"));
    }
    Ok(())
}

fn rolling(transition: &Transition<'_>) -> Result<(), String> {
    surge(transition)?;
    let (before, after) = (available(transition.before), available(transition.after));
    let least = transition.least(|tree| number(tree, "/spec/replicas") - bound(tree, "maxUnavailable"));
    if transition.actor.ends_with("-controller") && before >= least && after < least {
        return Err(format!("{after} pods are available, {least} are needed"));
    }
    Ok(())
}

/// No pod starts while one of another template may still run.
fn recreate(transition: &Transition<'_>) -> Result<(), String> {
    if transition.write.key.kind != kind::PODS || !matches!(transition.write.verb, Verb::Create(_)) {
        return Ok(());
    }
    let ended = |phase: &str| phase == "Failed" || phase == "Succeeded";
    let alive = transition.after.of(kind::PODS).filter(|pod| !ended(text(&pod.tree(), "/status/phase")));
    let mut hashes: Vec<_> =
        alive.map(|pod| pod.label("pod-template-hash").unwrap_or_default().to_owned()).collect();
    hashes.sort();
    hashes.dedup();
    if hashes.len() > 1 { Err(format!("pods of {hashes:?} at once")) } else { Ok(()) }
}

fn settled(truth: &Truth) -> Result<(), String> {
    let tree = truth.get(&key()).ok_or("it is gone")?;
    let replicas = number(&tree, "/spec/replicas");
    let image = text(&tree, "/spec/template/spec/containers/0/image").to_owned();
    let image_of = |tree: &Value| text(tree, "/spec/template/spec/containers/0/image").to_owned();
    let sets = truth.controlled(&key(), kind::REPLICA_SETS);
    let (new, old): (Vec<_>, Vec<_>) = sets.into_iter().partition(|set| image_of(&set.tree()) == image);
    same("ReplicaSets of the template", new.len(), 1)?;
    same("its replicas", number(&new[0].tree(), "/spec/replicas"), replicas)?;
    same("old replicas", old.iter().map(|set| number(&set.tree(), "/spec/replicas")).sum(), 0)?;
    if old.len() > 2 {
        return Err(format!("{} old ReplicaSets are kept", old.len()));
    }
    let pods: Vec<_> = truth.of(kind::PODS).filter(|pod| is_active(pod)).collect();
    same("pods", i64::try_from(pods.len()).unwrap(), replicas)?;
    for pod in pods {
        same("image", text(&pod.tree(), "/spec/containers/0/image").to_owned(), image.clone())?;
    }
    for field in ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"] {
        same(field, number(&tree, &format!("/status/{field}")), replicas)?;
    }
    for field in ["unavailableReplicas", "terminatingReplicas"] {
        same(field, number(&tree, &format!("/status/{field}")), 0)?;
    }
    same("generation", number(&tree, "/status/observedGeneration"), number(&tree, "/metadata/generation"))?;
    let revision = "/metadata/annotations/deployment.kubernetes.io~1revision";
    same("revision", text(&tree, revision), text(&new[0].tree(), revision))?;
    let latest =
        old.iter().map(|set| text(&set.tree(), revision).parse::<i64>().unwrap_or(0)).max().unwrap_or(0);
    if text(&tree, revision).parse::<i64>().unwrap_or(0) <= latest {
        return Err(format!("an old ReplicaSet has revision {latest}"));
    }
    let reason = |kind: &str| {
        let mut conditions = tree["status"]["conditions"].as_array().into_iter().flatten();
        conditions
            .find(|condition| condition["type"] == kind)
            .map(|condition| text(condition, "/reason").to_owned())
    };
    same("Available", reason("Available"), Some("MinimumReplicasAvailable".into()))?;
    same("Progressing", reason("Progressing"), Some("NewReplicaSetAvailable".into()))
}

fn base(first: Value, edits: Vec<User>) -> Scenario {
    let controllers: Vec<(Make, _)> =
        vec![(controller, ALLOWED), (replicaset::controller, replicaset::ALLOWED)];
    Scenario {
        objects: vec![first],
        edits,
        controllers,
        acts: &[Act::Start],
        law: rolling,
        settled,
        remembers: false,
    }
}

fn surging() -> Scenario {
    let edits = vec![image("v2"), image("v3"), image("v1"), image("v4"), image("v2")];
    base(deployment(4, json!(2), json!(0)), edits)
}

fn sparing() -> Scenario {
    let edits = vec![image("v2"), image("v1"), image("v3"), image("v1")];
    base(deployment(4, json!(0), json!(2)), edits)
}

fn scaling() -> Scenario {
    let pause = |paused: bool| merge(json!({"spec": {"paused": paused}}));
    let edits =
        vec![image("v2"), scale(8), image("v3"), scale(3), pause(true), image("v4"), scale(6), pause(false)];
    Scenario { law: surge, ..base(deployment(5, json!("25%"), json!("25%")), edits) }
}

fn recreating() -> Scenario {
    let mut first = deployment(3, json!(0), json!(0));
    first["spec"]["strategy"] = json!({"type": "Recreate"});
    let edits = vec![image("v2"), image("v1"), User::DeletePod(1), image("v3"), image("v1")];
    Scenario { law: recreate, ..base(first, edits) }
}

fn failing() -> Scenario {
    let edits = vec![image("v2"), User::DeletePod(0), image("v3"), User::DeletePod(2), image("v1")];
    Scenario {
        law: surge,
        acts: &[Act::Fail, Act::Unready],
        ..base(deployment(4, json!(1), json!(1)), edits)
    }
}

scenario! {
    /// A surge, every pod needed.
    a_surging_rollout_keeps_every_pod_available = surging();
    /// No surge, some pods spared.
    a_sparing_rollout_keeps_enough_pods_available = sparing();
    /// Changes of size in the middle of rollouts, and while paused.
    scaling_keeps_the_surge = scaling();
    /// Old and new never run together.
    recreate_never_runs_two_templates = recreating();
    /// Pods fail all along.
    rollouts_end_though_pods_fail = failing();
}

/// Found by the harness: a rollback in the middle of a rollout, while the status of a ReplicaSet is that of before.
#[test]
fn a_rollback_does_not_trust_a_status_of_before() {
    use crate::world::{Fate, Step};
    let calm = || Step::Calm;
    let turn = |fate| Step::Turn { lane: 0, key: 0, fate };
    let deliver = |feed, events| Step::Deliver { lane: 0, feed, events };
    let steps = [
        Step::User,
        calm(),
        Step::User,
        calm(),
        calm(),
        calm(),
        deliver(2, 1),
        deliver(1, 2),
        Step::User,
        Step::User,
        turn(Fate::Done),
        calm(),
        Step::Kubelet { pod: 6, act: 0 },
        calm(),
        calm(),
        deliver(2, 3),
        Step::User,
        deliver(1, 5),
        turn(Fate::Prefix(1)),
    ];
    crate::world::run(surging(), 0, &steps);
}

//! Users meddle with what controllers keep, and with Services and configuration.

use orch_core::{Kind, Live, Write, kind};
use serde_json::json;

use super::super::super::{Step, Truth};
use super::super::pick::{Places, is_open, nth, staying};
use super::super::tree::Manifest;
use super::rollout::is_of_deployment;
use super::{Scene, on};

/// Another size for a ReplicaSet whose size is a Deployment's affair.
pub(super) fn scale_replica_set(scene: &Scene<'_>) -> Vec<Step> {
    let (number, replicas, places) = (scene.dice.any(), scene.dice.below(6), scene.places.clone());
    let act = move |truth: &Truth| {
        let owned = staying(truth, &places, kind::REPLICA_SETS).filter(|set| is_of_deployment(set));
        let patch = json!({"spec": {"replicas": replicas}});
        nth(owned, number).map(|set| Write::merge(set.key().clone(), patch)).into_iter().collect()
    };
    vec![scene.step(format!("scale ReplicaSet no. {number} of a Deployment to {replicas}"), act)]
}

fn delete_one(
    kind: Kind,
    places: Places,
    number: usize,
) -> impl Fn(&Truth) -> Vec<Write> + Send + Sync + 'static {
    move |truth| {
        let found = nth(staying(truth, &places, kind), number);
        found.map(|live| Write::delete(live.key().clone())).into_iter().collect()
    }
}

/// A claim, in use most often.
pub(super) fn delete_claim(scene: &Scene<'_>) -> Vec<Step> {
    if scene.app(&[kind::STATEFUL_SETS]).is_none() {
        return Vec::new();
    }
    let number = scene.dice.any();
    let act = delete_one(kind::PERSISTENT_VOLUME_CLAIMS, scene.places.clone(), number);
    vec![scene.step(format!("delete claim no. {number}"), act)]
}

/// An EndpointSlice, or all of them.
pub(super) fn delete_slices(scene: &Scene<'_>) -> Vec<Step> {
    let number = scene.dice.any();
    if scene.dice.one_in(2) {
        let act = delete_one(kind::ENDPOINT_SLICES, scene.places.clone(), number);
        return vec![scene.step(format!("delete EndpointSlice no. {number}"), act)];
    }
    let places = scene.places.clone();
    let act = move |truth: &Truth| {
        let all = staying(truth, &places, kind::ENDPOINT_SLICES);
        all.map(|slice| Write::delete(slice.key().clone())).collect()
    };
    vec![scene.step("delete every EndpointSlice", act)]
}

/// A revision of a StatefulSet.
pub(super) fn delete_revision(scene: &Scene<'_>) -> Vec<Step> {
    if scene.app(&[kind::STATEFUL_SETS]).is_none() {
        return Vec::new();
    }
    let number = scene.dice.any();
    let act = delete_one(kind::CONTROLLER_REVISIONS, scene.places.clone(), number);
    vec![scene.step(format!("delete ControllerRevision no. {number}"), act)]
}

/// The heartbeat of a node.
pub(super) fn delete_lease(scene: &Scene<'_>) -> Vec<Step> {
    let number = scene.dice.any();
    let act = delete_one(kind::LEASES, ["kube-node-lease".into()].into(), number);
    vec![scene.step(format!("delete the Lease of node no. {number}"), act)]
}

/// A Service selects another app for a while, or nothing that is there.
pub(super) fn select_others(scene: &Scene<'_>) -> Vec<Step> {
    let (Some(app), Some(other)) = (scene.any_app(), scene.any_app()) else { return Vec::new() };
    let key = app.key().sibling(kind::SERVICES, app.key().name.clone());
    let target = if scene.dice.one_in(3) { "nobody" } else { &*other.key().name }.to_owned();
    let select = |app: &str| {
        let patch = json!({"spec": {"selector": {"app": app}}});
        on(&key, move |live| Some(Write::merge(live.key().clone(), patch.clone())))
    };
    let mut steps = vec![scene.step(format!("let {key} select {target}"), select(&target))];
    if scene.dice.one_in(2) {
        let what = format!("let {key} select its own app again");
        steps.extend(scene.later((1000, 10_000), what, select(&app.key().name)));
    }
    steps
}

/// A Service goes and comes back.
pub(super) fn replace_service(scene: &Scene<'_>) -> Vec<Step> {
    let Some(app) = scene.any_app() else { return Vec::new() };
    let Some(service) = app.needs.iter().find(|need| need.key.kind == kind::SERVICES).cloned() else {
        return Vec::new();
    };
    let key = service.key.clone();
    let delete = on(&key, |live| Some(Write::delete(live.key().clone())));
    let mut steps = vec![scene.step(format!("delete {key}"), delete)];
    let what = format!("create {key} again");
    let act = move |truth: &Truth| create_missing(truth, &service);
    steps.extend(scene.later((0, 5000), what, act));
    steps
}

fn create_missing(truth: &Truth, manifest: &Manifest) -> Vec<Write> {
    let wanted = is_open(truth, &manifest.key.namespace) && truth.get(&manifest.key).is_none();
    if wanted { vec![manifest.create()] } else { Vec::new() }
}

/// Configuration changes, or is gone for a while: pods that need it wait.
pub(super) fn edit_config(scene: &Scene<'_>) -> Vec<Step> {
    let Some(app) = scene.any_app() else { return Vec::new() };
    let Some(config) = app.needs.iter().find(|need| need.key.kind == kind::CONFIG_MAPS).cloned() else {
        return Vec::new();
    };
    let key = config.key.clone();
    if !scene.dice.one_in(3) {
        let patch = json!({"data": {"motd": format!("bread no. {}", scene.number)}});
        let act = on(&key, move |live: &Live| Some(Write::merge(live.key().clone(), patch.clone())));
        return vec![scene.step(format!("edit {key}"), act)];
    }
    let delete = on(&key, |live| Some(Write::delete(live.key().clone())));
    let mut steps = vec![scene.step(format!("delete {key}"), delete)];
    let what = format!("create {key} again");
    steps.extend(scene.later((1000, 8000), what, move |truth| create_missing(truth, &config)));
    steps
}

//! Users delete what they deployed, and sometimes deploy it again at once.

use std::sync::Arc;

use orch_core::{Key, Propagation, Write, kind};
use serde_json::{Value, json};

use super::super::super::{Step, Truth};
use super::super::app::App;
use super::super::pick::{is_open, nth, staying};
use super::super::tree::Manifest;
use super::rollout::is_of_deployment;
use super::{Scene, hold, let_go, on};

const WAYS: [Propagation; 3] = [Propagation::Background, Propagation::Foreground, Propagation::Orphan];

/// What is missing of an app.
fn missing(truth: &Truth, app: &App) -> Vec<Write> {
    if !is_open(truth, &app.key().namespace) {
        return Vec::new();
    }
    let all = app.needs.iter().chain([&app.workload]);
    all.filter(|manifest| truth.get(&manifest.key).is_none()).map(Manifest::create).collect()
}

/// A Deployment, StatefulSet or ReplicaSet, with every propagation; deployed again at once, later, or not in this run.
pub(super) fn workload(scene: &Scene<'_>) -> Vec<Step> {
    let Some(app) = scene.any_app() else { return Vec::new() };
    let (way, again) = (scene.dice.pick(&WAYS), scene.dice.below(3));
    let key = app.key().clone();
    let words = if again == 0 { " and create it again at once" } else { "" };
    let what = format!("delete {key} ({way:?}){words}");
    let workload = app.workload.clone();
    let act = move |truth: &Truth| {
        let mut writes = Vec::new();
        writes.extend(truth.get(&key).map(|_| Write::delete(key.clone()).propagate(way)));
        if again == 0 && is_open(truth, &key.namespace) {
            writes.push(workload.create());
        }
        writes
    };
    let mut steps = vec![scene.step(what, act)];
    if again < 2 {
        let what = format!("create {} again if it is gone", app.key());
        steps.extend(scene.later((500, 10_000), what, move |truth| missing(truth, &app)));
    }
    steps
}

/// A ReplicaSet that a Deployment owns.
pub(super) fn replica_set(scene: &Scene<'_>) -> Vec<Step> {
    let (number, way, places) = (scene.dice.any(), scene.dice.pick(&WAYS), scene.places.clone());
    let act = move |truth: &Truth| {
        let owned = staying(truth, &places, kind::REPLICA_SETS).filter(|set| is_of_deployment(set));
        nth(owned, number).map(|set| Write::delete(set.key().clone()).propagate(way)).into_iter().collect()
    };
    vec![scene.step(format!("delete ReplicaSet no. {number} of a Deployment ({way:?})"), act)]
}

/// A namespace with all that is in it; most often made again.
pub(super) fn namespace(scene: &Scene<'_>) -> Vec<Step> {
    let own: Vec<_> = scene.places.iter().filter(|place| &***place != "default").collect();
    if own.is_empty() {
        return Vec::new();
    }
    let place = scene.dice.pick(&own).clone();
    let key = Key::cluster(kind::NAMESPACES, place.clone());
    let what = format!("delete {key}");
    let gone = key.clone();
    let mut steps = vec![scene.step(what, on(&key, |live| Some(Write::delete(live.key().clone()))))];
    let apps: Vec<Arc<App>> =
        scene.apps.iter().filter(|app| app.key().namespace == place).map(Arc::clone).collect();
    for _ in 0..scene.dice.between(0, 2) {
        let (key, apps) = (gone.clone(), apps.clone());
        let act = move |truth: &Truth| {
            if truth.get(&key).is_some() {
                return Vec::new();
            }
            let namespace = Manifest::new(kind::NAMESPACES, "", &key.name, json!({}));
            let all = apps.iter().flat_map(|app| app.needs.iter().chain([&app.workload]));
            [&namespace].into_iter().chain(all).map(Manifest::create).collect()
        };
        steps.extend(scene.later(
            (1000, 20_000),
            format!("create {gone} and its apps again if it is gone"),
            act,
        ));
    }
    steps
}

/// An app held by a finalizer, deleted, and perhaps let go.
pub(super) fn held(scene: &Scene<'_>) -> Vec<Step> {
    let Some(app) = scene.any_app() else { return Vec::new() };
    let key = app.key().clone();
    let mut steps = vec![scene.step(format!("hold {key} with a finalizer"), on(&key, hold))];
    if scene.dice.one_in(2) {
        let way = scene.dice.pick(&WAYS);
        let act = on(&key, move |live| Some(Write::delete(live.key().clone()).propagate(way)));
        steps.extend(scene.later((0, 6000), format!("delete {key} ({way:?}), which a finalizer holds"), act));
    }
    if !scene.dice.one_in(3) {
        let what = format!("let {key} go, which a finalizer holds");
        let act = move |truth: &Truth| truth.get(&key).and_then(let_go).into_iter().collect();
        steps.extend(scene.later((3000, 15_000), what, act));
    }
    steps
}

/// Two apps share a ConfigMap that belongs to both; one of them goes.
pub(super) fn shared(scene: &Scene<'_>) -> Vec<Step> {
    let Some(app) = scene.any_app() else { return Vec::new() };
    let place = app.key().namespace.clone();
    let others: Vec<_> = scene
        .apps
        .iter()
        .filter(|other| other.key().namespace == place && other.key() != app.key())
        .collect();
    if others.is_empty() {
        return Vec::new();
    }
    let other = Arc::clone(scene.dice.pick(&others));
    let key = Key::new(kind::CONFIG_MAPS, place.clone(), format!("shared-{}", scene.number));
    let what = format!("create {key}, which belongs to {} and {}", app.key(), other.key());
    let owners = [app.key().clone(), other.key().clone()];
    let made = key.clone();
    let act = move |truth: &Truth| {
        let owner = |key: &Key| {
            let live = truth.get(key).filter(|live| !live.header().is_terminating())?;
            let tree = live.tree();
            Some(json!({"apiVersion": tree["apiVersion"], "kind": tree["kind"], "name": &*key.name,
                "uid": &**live.uid()}))
        };
        let all: Option<Vec<Value>> = owners.iter().map(owner).collect();
        match all.filter(|_| is_open(truth, &made.namespace)) {
            Some(all) => vec![Write::create(made.clone(), json!({"metadata": {"ownerReferences": all}}))],
            None => Vec::new(),
        }
    };
    let mut steps = vec![scene.step(what, act)];
    let key = app.key().clone();
    let act = on(&key, |live| Some(Write::delete(live.key().clone())));
    steps.extend(scene.later((500, 6000), format!("delete {}", app.key()), act));
    if scene.dice.one_in(2) {
        let what = format!("create {} again if it is gone", app.key());
        steps.extend(scene.later((7000, 15_000), what, move |truth| missing(truth, &app)));
    }
    steps
}

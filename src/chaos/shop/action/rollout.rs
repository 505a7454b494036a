//! Users change how many pods there are, and from which template.

use std::sync::Arc;

use orch_core::{Key, Live, Write, kind};
use serde_json::{Value, json};

use super::super::super::{Step, Truth};
use super::super::app;
use super::super::pick::{is_owned_by, nth};
use super::super::template::{self, Breakage};
use super::super::tree::{edit, patch};
use super::{Scene, on};

/// The label that tells the pods of a Deployment's ReplicaSets apart.
const HASH: &str = "pod-template-hash";

/// Up, down, or to nothing.
pub(super) fn scale(scene: &Scene<'_>) -> Vec<Step> {
    let Some(app) = scene.any_app() else { return Vec::new() };
    let replicas = if scene.dice.one_in(5) { 0 } else { scene.dice.between(scene.most / 4, scene.most) };
    let patch = json!({"spec": {"replicas": replicas}});
    let act = on(app.key(), move |live| Some(Write::merge(live.key().clone(), patch.clone())));
    vec![scene.step(format!("scale {} to {replicas}", app.key()), act)]
}

/// A harmless change of a template: a new revision.
fn revision(scene: &Scene<'_>, key: &Key) -> (String, impl Fn(&mut Value) + Send + Sync + 'static) {
    let (what, version) = (scene.dice.below(3), scene.dice.between(2, 9));
    let words = ["another image", "another environment", "another annotation"][what];
    let change = move |template: &mut Value| match what {
        0 => template::retag(template, version),
        1 => {
            template["spec"]["containers"][0]["env"] =
                json!([{"name": "GREETING", "value": version.to_string()}])
        }
        _ => template["metadata"]["annotations"]["example.com/note"] = json!(version.to_string()),
    };
    (format!("give {key} {words}, number {version}"), change)
}

/// A new revision.
pub(super) fn revise(scene: &Scene<'_>) -> Vec<Step> {
    let Some(app) = scene.any_app() else { return Vec::new() };
    let (what, change) = revision(scene, app.key());
    vec![scene.step(what, on(app.key(), move |live| edit(live, "template", &change)))]
}

/// A revision that cannot work; most users notice after a while.
pub(super) fn break_it(scene: &Scene<'_>) -> Vec<Step> {
    let Some(app) = scene.rolling() else { return Vec::new() };
    let breakage = scene.dice.pick(&Breakage::ALL);
    let act = on(app.key(), move |live| edit(live, "template", |template| breakage.apply(template)));
    let mut steps = vec![scene.step(format!("break the template of {}: {breakage:?}", app.key()), act)];
    if scene.dice.one_in(2) {
        let act = on(app.key(), |live| edit(live, "template", template::repaired));
        steps.extend(scene.later((1000, 15_000), format!("give {} a template that works", app.key()), act));
    } else {
        steps.extend(undo(scene, app.key(), (1000, 15_000)));
    }
    steps
}

/// An earlier revision again, most often while the rollout of a new one is under way.
pub(super) fn roll_back(scene: &Scene<'_>) -> Vec<Step> {
    let Some(app) = scene.rolling() else { return Vec::new() };
    if scene.dice.one_in(4) {
        return undo(scene, app.key(), (0, 0)).into_iter().collect();
    }
    let (what, change) = revision(scene, app.key());
    let mut steps = vec![scene.step(what, on(app.key(), move |live| edit(live, "template", &change)))];
    steps.extend(undo(scene, app.key(), (0, 4000)));
    steps
}

/// The whole object written back with another size and image, as `kubectl replace` does.
pub(super) fn replace(scene: &Scene<'_>) -> Vec<Step> {
    let Some(app) = scene.rolling() else { return Vec::new() };
    let (replicas, tag) = (scene.dice.between(1, scene.most), scene.dice.between(2, 9));
    let act = on(app.key(), move |live| {
        let mut tree = Value::clone(&live.tree());
        tree["spec"]["replicas"] = json!(replicas);
        template::retag(&mut tree["spec"]["template"], tag);
        Some(Write::update(live.key().clone(), tree).at(live.revision()))
    });
    vec![scene.step(format!("replace {}: {replicas} replicas, image {tag}", app.key()), act)]
}

fn undo(scene: &Scene<'_>, key: &Key, after: (usize, usize)) -> Option<Step> {
    let (number, of) = (scene.dice.below(3), key.clone());
    let act = move |truth: &Truth| former(truth, &of, number).into_iter().collect();
    scene.later(after, format!("roll {key} back to its revision no. {number}"), act)
}

/// Applies the template of an earlier revision, as `kubectl rollout undo` does.
fn former(truth: &Truth, key: &Key, number: usize) -> Option<Write> {
    let live = truth.get(key).filter(|live| !live.header().is_terminating())?;
    let template = live.tree()["spec"]["template"].clone();
    let (kind, read): (_, fn(&Live) -> Value) = if key.kind == kind::DEPLOYMENTS {
        (kind::REPLICA_SETS, of_replica_set)
    } else {
        (kind::CONTROLLER_REVISIONS, of_revision)
    };
    let others = truth.controlled(live.uid(), kind).filter(|owned| read(owned) != template);
    let patch = patch(&template, &read(nth(others, number)?))?;
    Some(Write::merge(key.clone(), json!({"spec": {"template": patch}})))
}

fn of_replica_set(live: &Live) -> Value {
    let mut template = live.tree()["spec"]["template"].clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove(HASH);
    }
    template
}

fn of_revision(live: &Live) -> Value {
    let mut template = live.tree()["data"]["spec"]["template"].clone();
    if let Some(fields) = template.as_object_mut() {
        fields.remove("$patch");
    }
    template
}

/// Paused, changed meanwhile, and most often resumed.
pub(super) fn pause(scene: &Scene<'_>) -> Vec<Step> {
    let Some(app) = scene.app(&[kind::DEPLOYMENTS]) else { return Vec::new() };
    let set = |paused: bool| {
        on(app.key(), move |live| Some(Write::merge(live.key().clone(), json!({"spec": {"paused": paused}}))))
    };
    let mut steps = vec![scene.step(format!("pause {}", app.key()), set(true))];
    let (what, change) = revision(scene, app.key());
    steps.extend(scene.later((0, 4000), what, on(app.key(), move |live| edit(live, "template", &change))));
    if !scene.dice.one_in(4) {
        steps.extend(scene.later((2000, 12_000), format!("resume {}", app.key()), set(false)));
    }
    steps
}

/// Another way to roll out, also in the middle of it.
pub(super) fn change_strategy(scene: &Scene<'_>) -> Vec<Step> {
    let Some(app) = scene.rolling() else { return Vec::new() };
    if scene.dice.one_in(4) {
        let secs = scene.dice.between(0, 5);
        let patch = json!({"spec": {"minReadySeconds": secs}});
        let act = on(app.key(), move |live| Some(Write::merge(live.key().clone(), patch.clone())));
        return vec![scene.step(format!("set minReadySeconds of {} to {secs}", app.key()), act)];
    }
    let (part, strategy) = if app.is(kind::DEPLOYMENTS) {
        ("strategy", app::strategy(&scene.dice))
    } else {
        ("updateStrategy", app::update_strategy(&scene.dice))
    };
    let what = format!("set the strategy of {} to {strategy}", app.key());
    let strategy = Arc::new(strategy);
    vec![scene.step(what, on(app.key(), move |live| edit(live, part, |now| now.clone_from(&strategy))))]
}

/// Pods of another size: a new revision that needs more room, or less.
pub(super) fn resize(scene: &Scene<'_>) -> Vec<Step> {
    let Some(app) = scene.rolling() else { return Vec::new() };
    let size = scene.dice.below(template::SIZES.len());
    let act = on(app.key(), move |live| edit(live, "template", |template| template::resize(template, size)));
    vec![scene.step(format!("give the pods of {} the size {}", app.key(), template::SIZES[size].0), act)]
}

/// Whether a ReplicaSet is a Deployment's.
pub(super) fn is_of_deployment(live: &Live) -> bool {
    is_owned_by(live, "Deployment")
}

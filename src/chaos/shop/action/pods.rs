//! Users do things to pods, their own and those of controllers.

use orch_core::{Key, Live, Subresource, Write, kind};
use serde_json::{Value, json};

use super::super::super::{Step, Truth};
use super::super::app;
use super::super::pick::{is_free, is_open, is_owned_by, nth, staying};
use super::super::tree::{patch, text};
use super::{Scene, hold as add_hold, let_go};

/// The value of the label `app` of a pod that a user took out of its app.
const RELEASED: &str = "released";

/// With its own grace, another, or none; or by eviction.
pub(super) fn delete(scene: &Scene<'_>) -> Vec<Step> {
    let (number, way) = (scene.dice.any(), scene.dice.below(6));
    let words = ["", "", " by eviction", " with grace 0", " with grace 2", " with grace 0"][way];
    let places = scene.places.clone();
    let act = move |truth: &Truth| {
        let pod = nth(staying(truth, &places, kind::PODS), number);
        pod.map(|pod| delete_by(pod.key(), way)).into_iter().collect()
    };
    vec![scene.step(format!("delete pod no. {number}{words}"), act)]
}

fn delete_by(pod: &Key, way: usize) -> Write {
    match way {
        2 => evict(pod),
        3 | 5 => Write::delete(pod.clone()).grace(0),
        4 => Write::delete(pod.clone()).grace(2),
        _ => Write::delete(pod.clone()),
    }
}

/// An eviction as `kubectl drain` asks for it.
pub(super) fn evict(pod: &Key) -> Write {
    let metadata = json!({"name": &*pod.name, "namespace": &*pod.namespace});
    let tree = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata});
    Write::create(pod.clone(), tree).to(Subresource::Eviction)
}

fn relabel(pod: &Live, labels: &Value) -> Option<Write> {
    let patch = patch(&pod.tree()["metadata"]["labels"], labels)?;
    Some(Write::merge(pod.key().clone(), json!({"metadata": {"labels": patch}})).of(pod.uid()))
}

/// Out of its app by its label, and perhaps back.
pub(super) fn release(scene: &Scene<'_>) -> Vec<Step> {
    let (number, places) = (scene.dice.any(), scene.places.clone());
    let act = move |truth: &Truth| {
        let owned = staying(truth, &places, kind::PODS).filter(|pod| !is_free(pod));
        let release = |pod: &Live| {
            let mut labels = pod.tree()["metadata"]["labels"].clone();
            labels["app"] = json!(RELEASED);
            relabel(pod, &labels)
        };
        nth(owned, number).and_then(release).into_iter().collect()
    };
    let mut steps = vec![scene.step(format!("take pod no. {number} out of its app"), act)];
    if scene.dice.one_in(2) {
        let places = scene.places.clone();
        let act = move |truth: &Truth| {
            let released =
                staying(truth, &places, kind::PODS).filter(|pod| pod.label("app") == Some(RELEASED));
            let take_back = |pod: &Live| {
                let tree = pod.tree();
                let image = text(&tree["spec"]["containers"][0]["image"]);
                let app = image.trim_start_matches("shop/").split(':').next().unwrap_or_default();
                let mut labels = tree["metadata"]["labels"].clone();
                labels["app"] = json!(app);
                relabel(pod, &labels)
            };
            nth(released, number).and_then(take_back).into_iter().collect()
        };
        steps.extend(scene.later((500, 6000), "put a pod that was taken out back into its app", act));
    }
    steps
}

/// A pod gets the labels of a ReplicaSet's pod, and that adopts it once its own controller has let it go.
pub(super) fn hand_over(scene: &Scene<'_>) -> Vec<Step> {
    let (number, other, places) = (scene.dice.any(), scene.dice.any(), scene.places.clone());
    let only_free = scene.dice.one_in(2);
    let act = move |truth: &Truth| {
        let model =
            nth(staying(truth, &places, kind::PODS).filter(|pod| is_owned_by(pod, "ReplicaSet")), other);
        let Some(model) = model else { return Vec::new() };
        let here = truth.in_namespace(kind::PODS, &model.key().namespace);
        let pods = here.filter(|pod| !pod.header().is_terminating() && (is_free(pod) || !only_free));
        let labels = model.tree()["metadata"]["labels"].clone();
        nth(pods, number).and_then(|pod| relabel(pod, &labels)).into_iter().collect()
    };
    vec![scene.step(format!("give pod no. {number} the labels of pod no. {other}"), act)]
}

/// A pod of the user's own.
pub(super) fn create(scene: &Scene<'_>) -> Vec<Step> {
    let place = scene.dice.pick(scene.places);
    let pod = app::pod(&scene.dice, &place, &format!("late-{}", scene.number));
    let what = format!("create {}", pod.key);
    let act = move |truth: &Truth| if is_open(truth, &place) { vec![pod.create()] } else { Vec::new() };
    vec![scene.step(what, act)]
}

/// Held by a finalizer, deleted, and perhaps let go.
pub(super) fn hold(scene: &Scene<'_>) -> Vec<Step> {
    let (number, places) = (scene.dice.any(), scene.places.clone());
    let act = move |truth: &Truth| {
        nth(staying(truth, &places, kind::PODS), number).and_then(add_hold).into_iter().collect()
    };
    let mut steps = vec![scene.step(format!("hold pod no. {number} with a finalizer"), act)];
    let places = scene.places.clone();
    let act = move |truth: &Truth| {
        let held = staying(truth, &places, kind::PODS).filter(|pod| let_go(pod).is_some());
        nth(held, number).map(|pod| Write::delete(pod.key().clone())).into_iter().collect()
    };
    steps.extend(scene.later((0, 4000), "delete a pod that a finalizer holds", act));
    if scene.dice.one_in(2) {
        let places = scene.places.clone();
        let act = move |truth: &Truth| {
            let pods = places.iter().flat_map(|place| truth.in_namespace(kind::PODS, place));
            nth(pods.filter(|pod| let_go(pod).is_some()), number).and_then(let_go).into_iter().collect()
        };
        steps.extend(scene.later((3000, 12_000), "let a pod go that a finalizer holds", act));
    }
    steps
}

/// The name of a StatefulSet's pod for a pod of one's own.
pub(super) fn take_identity(scene: &Scene<'_>) -> Vec<Step> {
    let Some(app) = scene.app(&[kind::STATEFUL_SETS]) else { return Vec::new() };
    let (place, ordinal) = (app.key().namespace.clone(), scene.dice.below(4));
    let name = format!("{}-{ordinal}", app.key().name);
    let pod = app::pod(&scene.dice, &place, &name);
    let what = format!("take the name of {}", pod.key);
    let act = move |truth: &Truth| {
        let mut writes = Vec::new();
        if truth.get(&pod.key).is_some() {
            writes.push(Write::delete(pod.key.clone()).grace(0));
        }
        if is_open(truth, &place) {
            writes.push(pod.create());
        }
        writes
    };
    let mut steps = vec![scene.step(what, act)];
    if scene.dice.one_in(2) {
        let key = app.key().sibling(kind::PODS, name);
        let what = format!("give the name of {key} back");
        let act = move |truth: &Truth| {
            let stolen = truth.get(&key).filter(|pod| is_free(pod) && !pod.header().is_terminating());
            stolen.map(|pod| Write::delete(pod.key().clone())).into_iter().collect()
        };
        steps.extend(scene.later((2000, 8000), what, act));
    }
    steps
}

/// What it costs to lose a pod: which one goes first.
pub(super) fn price(scene: &Scene<'_>) -> Vec<Step> {
    let (number, cost) = (scene.dice.any(), scene.dice.pick(&["-5", "1", "100"]));
    let places = scene.places.clone();
    let patch = json!({"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": cost}}});
    let act = move |truth: &Truth| {
        let pod = nth(staying(truth, &places, kind::PODS), number);
        pod.map(|pod| Write::merge(pod.key().clone(), patch.clone())).into_iter().collect()
    };
    vec![scene.step(format!("set the cost of deleting pod no. {number} to {cost}"), act)]
}

/// A pod that is being deleted is deleted once more, with another grace.
pub(super) fn delete_again(scene: &Scene<'_>) -> Vec<Step> {
    let (number, grace) = (scene.dice.any(), scene.dice.pick(&[1, 5, 300]));
    let places = scene.places.clone();
    let act = move |truth: &Truth| {
        let pods = places.iter().flat_map(|place| truth.in_namespace(kind::PODS, place));
        let going = nth(pods.filter(|pod| pod.header().is_terminating()), number);
        going.map(|pod| Write::delete(pod.key().clone()).grace(grace)).into_iter().collect()
    };
    let what = format!("delete pod no. {number} of those that are going once more, with grace {grace}");
    let mut steps = delete(scene);
    steps.extend(scene.later((50, 3000), what, act));
    steps
}

/// Somebody binds a pod by hand, to a node of their choice: no business of theirs when it has one.
pub(super) fn bind(scene: &Scene<'_>) -> Vec<Step> {
    let (number, other, places) = (scene.dice.any(), scene.dice.any(), scene.places.clone());
    let act = move |truth: &Truth| {
        let bound = |pod: &&Live| pod.field("spec.nodeName").is_some_and(|node| !node.is_empty());
        let pod = nth(staying(truth, &places, kind::PODS).filter(bound), number);
        let bind = |pod: &Live| {
            let node = nth(super::super::pick::nodes(truth), other)?;
            Some(Write::bind(pod.key().clone(), &node.key().name))
        };
        pod.and_then(bind).into_iter().collect()
    };
    vec![scene.step(format!("bind pod no. {number}, which has a node, to node no. {other}"), act)]
}

/// Somebody acts on what they read long ago: deletes a pod that is gone, and whose name another has.
pub(super) fn delete_the_late(scene: &Scene<'_>) -> Vec<Step> {
    let (number, places) = (scene.dice.any(), scene.places.clone());
    let act = move |truth: &Truth| {
        let select = orch_core::Select::kind(kind::PODS);
        let gone = truth.between(&select, orch_core::Revision::ZERO, truth.revision());
        let late: Vec<_> = gone
            .filter_map(|change| change.now.is_none().then(|| change.before.clone()).flatten())
            .filter(|pod| places.contains(&pod.key().namespace))
            .filter(|pod| truth.get(pod.key()).is_some_and(|live| !live.header().is_terminating()))
            .collect();
        let one = number.checked_rem(late.len()).map(|at| &late[at]);
        one.map(|pod| Write::delete(pod.key().clone()).of(pod.uid())).into_iter().collect()
    };
    vec![scene.step(format!("delete a pod no. {number} that is gone, by its uid"), act)]
}

//! Scenarios of the garbage collector, with the ReplicaSet controller at work.

use orch_controllers::gc::GarbageCollector;
use orch_core::{Key, Propagation, Registry, Verb, Write, kind};
use serde_json::{Value, json};

use crate::lane::{Decide, Make};
use crate::laws::{is_active, number, same};
use crate::{Allowed, Scenario, Transition, Truth, User, replicaset, scenario};

const ALLOWED: &[Allowed] = &[
    Allowed::Delete(kind::PODS),
    Allowed::Delete(kind::REPLICA_SETS),
    Allowed::Patch(kind::PODS, &["metadata.ownerReferences"]),
    Allowed::Patch(kind::REPLICA_SETS, &["metadata.ownerReferences", "metadata.finalizers"]),
];

/// The set's controller may learn late that the set is gone, and make pods for it until then.
const MAKES: &[Allowed] = &[
    Allowed::Create(kind::PODS),
    Allowed::Delete(kind::PODS),
    Allowed::Patch(kind::PODS, &["metadata.ownerReferences"]),
    Allowed::Patch(kind::REPLICA_SETS, &["status"]),
];

fn controller() -> Box<dyn Decide> {
    let registry = Registry::built_in();
    Box::new(GarbageCollector::new(move |api_version, kind| registry.by_api_version(api_version, kind)))
}

fn key() -> Key {
    Key::new(kind::REPLICA_SETS, "default", "web")
}

fn set() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}},
    })
}

/// Nothing is collected that has an owner which stays.
fn law(transition: &Transition<'_>) -> Result<(), String> {
    if transition.actor != "generic-garbage-collector" || !matches!(transition.write.verb, Verb::Delete(_)) {
        return Ok(());
    }
    let Some(object) = transition.before.0.get(&transition.write.key) else { return Ok(()) };
    for owner in object.header().owners.iter() {
        let found = transition.before.0.values().find(|live| *live.uid() == owner.uid);
        if found.is_some_and(|live| !live.header().has_finalizer("foregroundDeletion")) {
            return Err(format!("{} is collected while {} is there", object.key(), owner.name));
        }
    }
    Ok(())
}

fn deletes(propagation: Propagation) -> User {
    User::Write(Write::delete(key()).propagate(propagation))
}

fn creates() -> User {
    User::Write(Write::create_tree(kind::REPLICA_SETS, set()))
}

fn scenario_of(edits: Vec<User>, settled: fn(&Truth) -> Result<(), String>) -> Scenario {
    let controllers: Vec<(Make, &'static [Allowed])> =
        vec![(controller, ALLOWED), (replicaset::controller, MAKES)];
    Scenario { objects: vec![set()], edits, controllers, acts: &[], law, settled, remembers: false }
}

fn nothing_is_left(truth: &Truth) -> Result<(), String> {
    same("pods", truth.of(kind::PODS).count(), 0)?;
    same("sets", truth.of(kind::REPLICA_SETS).count(), 0)
}

fn only_the_new_ones(truth: &Truth) -> Result<(), String> {
    let set = truth.get(&key()).ok_or("it is gone")?;
    let pods = truth.controlled(&key(), kind::PODS).len();
    same("pods of the new set", i64::try_from(pods).unwrap_or_default(), number(&set, "/spec/replicas"))?;
    same("pods", truth.of(kind::PODS).count(), pods)
}

fn orphans_are_left(truth: &Truth) -> Result<(), String> {
    same("sets", truth.of(kind::REPLICA_SETS).count(), 0)?;
    let owned = truth.of(kind::PODS).filter(|pod| !pod.header().owners.is_empty() && is_active(pod)).count();
    same("pods that name an owner", owned, 0)
}

scenario! {
    /// Pods go after their set.
    the_background_deletes_dependents_after = scenario_of(vec![deletes(Propagation::Background)], nothing_is_left);
    /// Pods go before their set.
    the_foreground_deletes_dependents_before = scenario_of(vec![deletes(Propagation::Foreground)], nothing_is_left);
    /// Pods are let go, none is lost.
    orphans_stay = scenario_of(vec![deletes(Propagation::Orphan)], orphans_are_left);
    /// A set of the same name is another owner.
    a_new_owner_of_the_name_does_not_inherit = scenario_of(
        vec![deletes(Propagation::Background), creates(), deletes(Propagation::Background), creates()],
        only_the_new_ones,
    );
}

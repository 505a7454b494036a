//! What holds an object holds it: it goes when its finalizers are gone, only who owns a finalizer takes it away, and a
//! namespace goes when it is empty.
//!
//! Sources: <https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/>, `no new finalizers can be added
//! if the object is being deleted` of `apimachinery/pkg/api/validation/objectmeta.go`,
//! `pkg/controller/namespace/deletion/namespaced_resources_deleter.go`, and the admission plugin NamespaceLifecycle
//! (`apiserver/pkg/admission/plugin/namespace/lifecycle`). The last finalizer and the object may go in one write. Excepted:
//! `orphan` and `foregroundDeletion` are what a deletion asks for, so another deletion may replace them
//! (`deletionFinalizersForGarbageCollection` of `apiserver/pkg/registry/generic/registry/store.go`); a write that was
//! admitted before the deletion of its namespace began may come a little later (`namespaceDeletionGracePeriod` of
//! `pkg/controller/namespace/namespace_controller.go` waits for such writes), as long as the namespace is there.

use std::collections::BTreeMap;
use std::time::Duration;

use orch_core::{Change, Header, Key, Object, Str, kind};

use super::tree::{agent_of, is_person};
use crate::chaos::{Happening, Invariant, World};

/// How long a write may be under way between its admission and its commit.
const IN_FLIGHT: Duration = Duration::from_secs(15);

/// See the module.
#[derive(Debug, Default)]
pub struct Finalizers {
    /// How many objects stand in a namespace.
    content: BTreeMap<Str, usize>,
    /// Since when a namespace has been deleted.
    ending: BTreeMap<Str, Duration>,
}

impl Invariant for Finalizers {
    fn name(&self) -> &str {
        "finalizers"
    }

    fn see(&mut self, world: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        let Happening::Changed { actor, change } = what else { return Ok(()) };
        let key = change.key();
        if key.kind == kind::NAMESPACES {
            match change.now.as_ref().is_some_and(|live| live.header().is_terminating()) {
                true => _ = self.ending.entry(key.name.clone()).or_insert(world.at),
                false => _ = self.ending.remove(&key.name),
            }
        }
        match (&change.before, &change.now) {
            (None, Some(live)) => self.created(world, actor, live),
            (Some(before), None) => {
                self.removed(world, actor, before)?;
                held(actor, change, before)
            }
            (Some(before), Some(_)) => held(actor, change, before),
            (None, None) => Ok(()),
        }
    }
}

impl Finalizers {
    fn created(&mut self, world: &World<'_>, actor: &str, object: &Object) -> Result<(), String> {
        let key = object.key();
        if key.namespace.is_empty() {
            return Ok(());
        }
        *self.content.entry(key.namespace.clone()).or_default() += 1;
        if world.truth.get(&Key::cluster(kind::NAMESPACES, key.namespace.clone())).is_none() {
            return Err(format!("{actor} created {key}, and its namespace is not there"));
        }
        let ending = self.ending.get(&key.namespace).map(|since| world.at.saturating_sub(*since));
        match ending.filter(|ending| *ending > IN_FLIGHT) {
            Some(ending) => {
                Err(format!("{actor} created {key}, and its namespace is being deleted, since {ending:?}"))
            }
            None => Ok(()),
        }
    }

    fn removed(&mut self, world: &World<'_>, actor: &str, object: &Object) -> Result<(), String> {
        let key = object.key();
        if let Some(content) = self.content.get_mut(&key.namespace) {
            *content -= 1;
        }
        if key.kind != kind::NAMESPACES || self.content.get(&key.name).is_none_or(|content| *content == 0) {
            return Ok(());
        }
        let left = world.truth.all().find(|live| live.key().namespace == key.name);
        let left = left.map(|live| live.key().to_string()).unwrap_or_default();
        Err(format!("{actor} removed namespace {}, and {left} is in it", key.name))
    }
}

/// Whether finalizers of the object before were taken away, or given, by those who may.
fn held(actor: &str, change: &Change, before: &Object) -> Result<(), String> {
    let none = Header::default();
    let (was, now) = (before.header(), change.now.as_ref().map_or(&none, |live| live.header()));
    if was.finalizers == now.finalizers || is_person(actor) {
        return Ok(());
    }
    let is_deletion = change.now.is_none() || now.is_terminating();
    let key = before.key();
    if change.now.is_none() && !was.finalizers.is_empty() && !was.is_terminating() && !all_collectors(was) {
        return Err(format!("{actor} removed {key} with its finalizers {:?}", was.finalizers));
    }
    for taken in was.finalizers.iter().filter(|name| !now.has_finalizer(name)) {
        if !may_take(actor, taken, is_deletion) {
            return Err(format!("{actor} took the finalizer {taken} from {key}"));
        }
    }
    let given = |name: &&Str| !was.has_finalizer(name) && !is_collectors(name);
    match now.finalizers.iter().find(given) {
        Some(given) if was.is_terminating() => {
            Err(format!("{actor} gave {key}, which is being deleted, the finalizer {given}"))
        }
        _ => Ok(()),
    }
}

fn is_collectors(finalizer: &str) -> bool {
    matches!(finalizer, "orphan" | "foregroundDeletion")
}

fn all_collectors(header: &Header) -> bool {
    header.finalizers.iter().all(|name| is_collectors(name))
}

fn may_take(actor: &str, finalizer: &str, is_deletion: bool) -> bool {
    match finalizer {
        "orphan" | "foregroundDeletion" => is_deletion || actor == "generic-garbage-collector",
        "kubernetes.io/pvc-protection" => actor == "pvc-protection-controller",
        "kubernetes.io/pv-protection" => actor == "pv-protection-controller",
        "orch.local/node-directory" => actor == "node-directory-provisioner" || agent_of(actor).is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::chaos::invariants::testing::{Bench, deleted, plain, pod, with};

    fn bench() -> Bench<Finalizers> {
        let mut bench = Bench::of(Finalizers::default());
        bench.ok("bootstrap", plain("v1", "Namespace", "shop"));
        bench
    }

    fn holding(tree: Value, finalizers: &[&str]) -> Value {
        with(tree, json!({"metadata": {"finalizers": finalizers}}))
    }

    #[test]
    fn a_persons_finalizer_is_a_persons() {
        let mut bench = bench();
        bench.ok("user", holding(deleted(pod("p", "a"), 0), &["example.com/a"]));
        bench.bad("generic-garbage-collector", deleted(pod("p", "a"), 0), "took the finalizer example.com/a");
        let mut bench = self::bench();
        bench.ok("user", holding(deleted(pod("p", "a"), 0), &["example.com/a"]));
        bench.not_gone("node/a", "pods/shop/p", "took the finalizer example.com/a");
        let mut bench = self::bench();
        bench.ok("user", holding(deleted(pod("p", "a"), 0), &["example.com/a"]));
        bench.gone("user", "pods/shop/p");
    }

    #[test]
    fn a_parts_finalizer_goes_with_the_object_by_that_part() {
        let mut bench = bench();
        let claim = || {
            holding(deleted(plain("v1", "PersistentVolumeClaim", "c"), 0), &["kubernetes.io/pvc-protection"])
        };
        bench.ok("user", claim());
        bench.gone("pvc-protection-controller", "persistentvolumeclaims/shop/c");
        bench.ok("user", claim());
        bench.not_gone("namespace-controller", "persistentvolumeclaims/shop/c", "took the finalizer");
        bench.ok(
            "user",
            holding(plain("v1", "PersistentVolumeClaim", "d"), &["kubernetes.io/pvc-protection"]),
        );
        bench.not_gone("pvc-protection-controller", "persistentvolumeclaims/shop/d", "with its finalizers");
    }

    #[test]
    fn a_deletion_may_replace_what_another_asked_for() {
        let mut bench = bench();
        bench.ok("user", holding(plain("apps/v1", "ReplicaSet", "r"), &["orphan"]));
        bench.gone("namespace-controller", "replicasets.apps/shop/r");
        bench.ok("user", holding(deleted(plain("apps/v1", "ReplicaSet", "r"), 0), &["orphan"]));
        bench.ok("x", holding(deleted(plain("apps/v1", "ReplicaSet", "r"), 0), &["foregroundDeletion"]));
        let late = holding(deleted(plain("apps/v1", "ReplicaSet", "r"), 0), &["foregroundDeletion", "x"]);
        bench.bad("x", late, "gave replicasets.apps/shop/r");
    }

    #[test]
    fn a_namespace_goes_when_it_is_empty_and_takes_nothing_new() {
        let mut bench = bench();
        bench.ok("user", pod("p", "a"));
        bench.ok("user", deleted(plain("v1", "Namespace", "shop"), 0));
        bench.ok("x", pod("q", "a"));
        bench.wait(16);
        bench.bad("x", pod("r", "a"), "its namespace is being deleted");
        bench.gone("node/a", "pods/shop/r");
        bench.gone("node/a", "pods/shop/q");
        bench.gone("node/a", "pods/shop/p");
        bench.gone("namespace-controller", "namespaces/shop");
        bench.bad("x", pod("q", "a"), "its namespace is not there");
        bench.ok("user", plain("v1", "Namespace", "shop"));
        bench.not_gone("namespace-controller", "namespaces/shop", "pods/shop/q is in it");
    }
}

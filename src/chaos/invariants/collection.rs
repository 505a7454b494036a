//! Garbage collection: nothing is collected while one of its owners lives, and everything is whose owners are all gone.
//!
//! Sources: <https://kubernetes.io/docs/concepts/architecture/garbage-collection/>, `attemptToDeleteItem` of
//! `pkg/controller/garbagecollector/garbagecollector.go`. An owner lives when the object that the reference names (kind,
//! name, namespace) has the uid of the reference. Excepted: an owner that was deleted in the foreground waits for its
//! dependents to go, even if its deletion was changed to another later, which the collector may not know yet. Not
//! collected, ever: what is owned by a kind that the cluster does not know, and a cluster-scoped object owned by a
//! namespaced one.

use std::collections::BTreeSet;

use orch_core::{Change, Key, Live, Object, OwnerReference, Registry, Str};

use crate::chaos::{Happening, Invariant, Truth, World};

const COLLECTOR: &str = "generic-garbage-collector";

/// See the module.
pub struct Collection {
    registry: Registry,
    /// Uids of objects that were ever deleted in the foreground.
    foreground: BTreeSet<Str>,
}

impl Default for Collection {
    fn default() -> Self {
        Self { registry: Registry::built_in(), foreground: BTreeSet::new() }
    }
}

impl std::fmt::Debug for Collection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Collection")
    }
}

impl Invariant for Collection {
    fn name(&self) -> &str {
        "collection"
    }

    fn see(&mut self, world: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        let Happening::Changed { actor, change } = what else { return Ok(()) };
        if let Some(live) = &change.now
            && live.header().is_terminating()
            && live.header().has_finalizer("foregroundDeletion")
        {
            self.foreground.insert(live.uid().clone());
        }
        let Some(before) = collected(actor, change) else { return Ok(()) };
        if before.header().owners.is_empty() {
            return Err(format!("{} was collected, and it had no owner", before.key()));
        }
        let lives = |owner: &&OwnerReference| {
            self.owner(world.truth, before, owner).is_some_and(|owner| !self.foreground.contains(owner.uid()))
        };
        match before.header().owners.iter().find(lives) {
            None => Ok(()),
            Some(owner) => Err(format!(
                "{} ({}) was collected, and its owner {} {} ({}) lives",
                before.key(),
                before.uid(),
                owner.kind,
                owner.name,
                owner.uid
            )),
        }
    }

    fn settled(&mut self, world: &World<'_>) -> Result<(), String> {
        let orphaned = |live: &&Live| {
            let header = live.header();
            !header.owners.is_empty() && !header.is_terminating() && self.is_abandoned(world.truth, live)
        };
        match world.truth.all().find(orphaned) {
            None => Ok(()),
            Some(live) => {
                let owners: Vec<_> = live
                    .header()
                    .owners
                    .iter()
                    .map(|owner| format!("{} {}", owner.kind, owner.name))
                    .collect();
                Err(format!("{} is there, and its owners are gone: {owners:?}", live.key()))
            }
        }
    }
}

/// What the collector began to delete with this change; letting go of what is deleted already is another thing.
fn collected<'a>(actor: &str, change: &'a Change) -> Option<&'a Object> {
    let before =
        change.before.as_ref().filter(|before| actor == COLLECTOR && !before.header().is_terminating())?;
    change.now.as_ref().is_none_or(|now| now.header().is_terminating()).then_some(before)
}

impl Collection {
    /// The owner that a reference means, if it is there.
    fn owner<'a>(&self, truth: &'a Truth, dependent: &Object, owner: &OwnerReference) -> Option<&'a Live> {
        let live = truth.by_uid(&owner.uid)?;
        let known = self.registry.by_api_version(&owner.api_version, &owner.kind);
        let key = live.key();
        let same_kind = known.is_none_or(|info| info.kind == key.kind);
        let same_place = key.namespace.is_empty() || key.namespace == dependent.key().namespace;
        (same_kind && same_place && key.name == owner.name).then_some(live)
    }

    /// Whether all owners of an object are gone for good, and its collection can be told to be due.
    fn is_abandoned(&self, truth: &Truth, dependent: &Live) -> bool {
        dependent.header().owners.iter().all(|owner| {
            // A kind that is not built in may have been unregistered.
            let Some(info) = self.registry.by_api_version(&owner.api_version, &owner.kind) else {
                return false;
            };
            let misplaced = info.is_namespaced() && dependent.key().namespace.is_empty();
            let key = Key {
                kind: info.kind,
                namespace: if info.is_namespaced() {
                    dependent.key().namespace.clone()
                } else {
                    Str::default()
                },
                name: owner.name.clone(),
            };
            !misplaced && truth.get(&key).is_none_or(|live| *live.uid() != owner.uid)
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chaos::invariants::testing::{Bench, deleted, fails, owned, plain, pod, with};

    fn bench() -> Bench<Collection> {
        let mut bench = Bench::of(Collection::default());
        bench.ok("user", plain("apps/v1", "ReplicaSet", "web"));
        bench.ok("user", owned(pod("p", "a"), "ReplicaSet", "web"));
        bench
    }

    #[test]
    fn what_has_an_owner_is_not_collected() {
        let mut bench = bench();
        assert_eq!(bench.settled(), Ok(()));
        let doomed = || deleted(owned(pod("p", "a"), "ReplicaSet", "web"), 30);
        bench.bad(COLLECTOR, doomed(), "its owner ReplicaSet web (web) lives");
        let mut bench = self::bench();
        bench.not_gone(COLLECTOR, "pods/shop/p", "lives");
    }

    #[test]
    fn what_has_lost_its_owner_is_collected() {
        let mut bench = bench();
        bench.gone("user", "replicasets.apps/shop/web");
        fails(bench.settled(), "pods/shop/p is there");
        bench
            .ok("user", with(plain("apps/v1", "ReplicaSet", "web"), json!({"metadata": {"uid": "another"}})));
        fails(bench.settled(), "pods/shop/p is there");
        bench.ok(COLLECTOR, deleted(owned(pod("p", "a"), "ReplicaSet", "web"), 30));
        assert_eq!(bench.settled(), Ok(()));
    }

    #[test]
    fn an_owner_that_waits_holds_nothing() {
        let mut bench = bench();
        let waiting = deleted(plain("apps/v1", "ReplicaSet", "web"), 0);
        bench.ok("user", with(waiting, json!({"metadata": {"finalizers": ["foregroundDeletion"]}})));
        bench.ok(COLLECTOR, deleted(owned(pod("p", "a"), "ReplicaSet", "web"), 30));
    }

    #[test]
    fn an_owner_by_another_name_is_none_and_unknown_kinds_are_left_alone() {
        let mut bench = Bench::of(Collection::default());
        bench.ok("user", plain("apps/v1", "ReplicaSet", "web"));
        let wrong = owned(pod("p", "a"), "ReplicaSet", "web");
        let reference =
            json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "other", "uid": "web"}]);
        bench.ok("user", with(wrong, json!({"metadata": {"ownerReferences": reference}})));
        bench.gone(COLLECTOR, "pods/shop/p");
        let unknown = json!([{"apiVersion": "example.com/v1", "kind": "Thing", "name": "t", "uid": "t"}]);
        bench.ok("user", with(pod("q", "a"), json!({"metadata": {"ownerReferences": unknown}})));
        assert_eq!(bench.settled(), Ok(()));
        bench.ok("user", pod("r", "a"));
        bench.not_gone(COLLECTOR, "pods/shop/r", "had no owner");
    }
}

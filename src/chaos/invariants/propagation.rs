//! An owner that is deleted with its dependents to go first, or to stay, waits for that.
//!
//! Source: <https://kubernetes.io/docs/concepts/architecture/garbage-collection/#cascading-deletion> ("foreground": the owner
//! goes once all dependents with `blockOwnerDeletion` are gone; "orphan": dependents stay). Judged is each time that the
//! collector takes the finalizer from an owner: nothing that depended on it when the deletion began may still block it, or
//! still name it. What came later a late view may not show. A later deletion that asks for another way counts from then on.

use std::collections::{BTreeSet, HashMap};

use orch_core::{Change, Live, OwnerReference, Str};

use crate::chaos::{Happening, Invariant, Truth, World};

const COLLECTOR: &str = "generic-garbage-collector";

/// A way in which an owner goes, by its finalizer.
const WAYS: [&str; 2] = ["foregroundDeletion", "orphan"];

/// See the module.
#[derive(Debug, Default)]
pub struct Propagation {
    /// What depended on an owner when it began to go that way, by the owner's uid and the finalizer.
    waits: HashMap<(Str, &'static str), BTreeSet<Str>>,
}

impl Invariant for Propagation {
    fn name(&self) -> &str {
        "propagation"
    }

    fn see(&mut self, world: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        let Happening::Changed { actor, change } = what else { return Ok(()) };
        WAYS.into_iter().try_for_each(|way| self.way(world.truth, actor, change, way))
    }
}

/// What names an owner, and in a way that it has to wait for.
fn holding<'a>(truth: &'a Truth, owner: &'a Str, way: &'static str) -> impl Iterator<Item = &'a Live> {
    let holds = move |reference: &OwnerReference| {
        reference.uid == *owner && (way == WAYS[1] || reference.block_owner_deletion == Some(true))
    };
    truth.dependents(owner).filter(move |live| live.header().owners.iter().any(holds))
}

impl Propagation {
    fn way(&mut self, truth: &Truth, actor: &str, change: &Change, way: &'static str) -> Result<(), String> {
        let has = |header: &orch_core::Header| header.is_terminating() && header.has_finalizer(way);
        let was = change.before.as_ref().is_some_and(|before| has(before.header()));
        let is = change.now.as_ref().is_some_and(|now| has(now.header()));
        let uid = change.object().uid();
        match (was, is) {
            (false, true) => {
                let dependents = holding(truth, uid, way).map(|live| live.uid().clone()).collect();
                self.waits.insert((uid.clone(), way), dependents);
                Ok(())
            }
            (true, false) => {
                let waits = self.waits.remove(&(uid.clone(), way)).unwrap_or_default();
                let left = holding(truth, uid, way).find(|live| waits.contains(live.uid()));
                match left.filter(|_| actor == COLLECTOR) {
                    Some(left) => Err(format!(
                        "{} ({uid}) was let go with {way}, and {} ({}) still depends on it",
                        change.key(),
                        left.key(),
                        left.uid()
                    )),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{Bench, deleted, owned, plain, pod, with};
    use super::*;

    fn going(way: &str) -> Value {
        let set = plain("apps/v1", "ReplicaSet", "web");
        deleted(with(set, json!({"metadata": {"finalizers": [way]}})), 0)
    }

    fn began(way: &str) -> Bench<Propagation> {
        let mut bench = Bench::of(Propagation::default());
        bench.ok("user", plain("apps/v1", "ReplicaSet", "web"));
        bench.ok("user", owned(pod("a", ""), "ReplicaSet", "web"));
        bench.ok("user", going(way));
        bench
    }

    #[test]
    fn an_owner_waits_for_what_blocks_it() {
        let mut bench = began("foregroundDeletion");
        bench.not_gone(COLLECTOR, "replicasets.apps/shop/web", "still depends on it");
        let mut bench = began("foregroundDeletion");
        bench.gone("node/n1", "pods/shop/a");
        bench.gone(COLLECTOR, "replicasets.apps/shop/web");
    }

    #[test]
    fn an_owner_waits_until_its_dependents_have_let_go() {
        let mut bench = began("orphan");
        bench.not_gone(COLLECTOR, "replicasets.apps/shop/web", "still depends on it");
        let mut bench = began("orphan");
        bench.ok(COLLECTOR, pod("a", ""));
        bench.gone(COLLECTOR, "replicasets.apps/shop/web");
    }

    #[test]
    fn what_came_later_or_was_asked_otherwise_does_not_count() {
        let mut bench = began("orphan");
        bench.ok(COLLECTOR, pod("a", ""));
        bench.ok("user", owned(pod("b", ""), "ReplicaSet", "web"));
        bench.gone(COLLECTOR, "replicasets.apps/shop/web");
        let mut bench = began("orphan");
        bench.ok("user", going("foregroundDeletion"));
        bench.gone("node/n1", "pods/shop/a");
        bench.gone(COLLECTOR, "replicasets.apps/shop/web");
    }
}

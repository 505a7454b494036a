//! Pods leave nodes, and nodes are marked, for a reason only.
//!
//! Sources: `pkg/controller/tainteviction/taint_eviction.go` (a pod leaves a node that has a `NoExecute` taint),
//! `pkg/controller/podgc/gc_controller.go` (pods of nodes that are gone, that will not be run by anybody, or that have
//! ended), `pkg/controller/nodelifecycle/node_lifecycle_controller.go` (`NoExecute` taints say what the condition `Ready`
//! says). Views may be late, so what was true at some time since the pod was bound is a reason; and a taint, as long before
//! as a view may be late (upstream's controller, too, looks at a pod and its node in caches of their own).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use orch_core::object::Part;
use orch_core::{Change, Live, Object, Str, kind};
use serde_json::Value;

use super::tree::{condition, field, is_terminal, list, node_of, text};
use crate::chaos::{Happening, Invariant, World};

/// See the module.
#[derive(Debug, Default)]
pub struct Evictions {
    nodes: BTreeSet<Str>,
    /// When a node was last seen to be gone.
    missed: BTreeMap<Str, Duration>,
    /// When a node last had a taint that drives pods away.
    tainted: BTreeMap<Str, Duration>,
    /// When a node was last out of service.
    out_of_service: BTreeMap<Str, Duration>,
    /// When a pod was bound, by uid.
    bound: BTreeMap<Str, Duration>,
}

impl Invariant for Evictions {
    fn name(&self) -> &str {
        "evictions"
    }

    fn see(&mut self, world: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        let Happening::Changed { actor, change } = what else { return Ok(()) };
        match change.key().kind {
            kind::NODES => self.node(world.at, actor, change),
            kind::PODS => self.pod(world, actor, change),
            _ => Ok(()),
        }
    }
}

fn has(taints: &[Value], effect: &str) -> bool {
    taints.iter().any(|taint| taint["effect"] == effect)
}

impl Evictions {
    fn node(&mut self, at: Duration, actor: &str, change: &Change) -> Result<(), String> {
        let name = &change.key().name;
        let Some(live) = &change.now else {
            self.nodes.remove(name);
            self.missed.insert(name.clone(), at);
            return Ok(());
        };
        self.nodes.insert(name.clone());
        let tree = live.tree();
        let taints = list(&tree["spec"]["taints"]);
        // It has the taint until the next change, too.
        let had = self.tainted.get(name).is_some_and(|at| *at == Duration::MAX);
        match (has(taints, "NoExecute"), had) {
            (true, _) => _ = self.tainted.insert(name.clone(), Duration::MAX),
            (false, true) => _ = self.tainted.insert(name.clone(), at),
            (false, false) => {}
        }
        if taints.iter().any(|taint| taint["key"] == "node.kubernetes.io/out-of-service") {
            self.out_of_service.insert(name.clone(), Duration::MAX);
        }
        if actor == "node-controller"
            && let Some(before) = &change.before
        {
            return marked(before, live);
        }
        Ok(())
    }

    fn pod(&mut self, world: &World<'_>, actor: &str, change: &Change) -> Result<(), String> {
        let object = change.object();
        let (uid, node) = (object.uid(), node_of(object));
        if !node.is_empty() && !self.bound.contains_key(uid) {
            self.bound.insert(uid.clone(), world.at);
        }
        let Some(before) = change.before.as_ref().filter(|before| !before.header().is_terminating()) else {
            return Ok(());
        };
        let deleted = change.now.as_ref().is_none_or(|live| live.header().is_terminating());
        match actor {
            "taint-eviction-controller" if deleted => self.evicted(before, world.patience),
            "pod-garbage-collector" if deleted || is_terminal(object) && !is_terminal(before) => {
                self.collected(before)
            }
            _ => Ok(()),
        }
    }

    /// Whether something was true of the pod's node at some time since the pod was bound.
    fn since_bound(&self, pod: &Object, when: &BTreeMap<Str, Duration>) -> bool {
        let bound = self.bound.get(pod.uid()).copied().unwrap_or_default();
        when.get(node_of(pod)).is_some_and(|last| *last >= bound)
    }

    fn evicted(&self, pod: &Object, patience: Duration) -> Result<(), String> {
        let bound = self.bound.get(pod.uid()).copied().unwrap_or_default();
        if self.tainted.get(node_of(pod)).is_some_and(|last| last.saturating_add(patience) >= bound) {
            return Ok(());
        }
        Err(format!("{} was evicted from {}, which had no NoExecute taint", pod.key(), node_of(pod)))
    }

    fn collected(&self, pod: &Object) -> Result<(), String> {
        let node = node_of(pod);
        let is_missing =
            !node.is_empty() && (!self.nodes.contains(node) || self.since_bound(pod, &self.missed));
        if is_missing || is_terminal(pod) || self.since_bound(pod, &self.out_of_service) {
            return Ok(());
        }
        Err(format!("{} was collected, and its node {node:?} is there", pod.key()))
    }
}

/// A taint that drives pods away says what the node's condition says.
fn marked(before: &Object, now: &Live) -> Result<(), String> {
    let new = field(now, Part::Spec, "taints");
    if !list(&new).iter().any(|taint| taint["effect"] == "NoExecute") {
        return Ok(());
    }
    let old = before.body_tree();
    let ready = condition(&old["status"], "Ready").map_or("", |ready| text(&ready["status"]));
    let had = list(&old["spec"]["taints"]);
    for taint in list(&new).iter().filter(|taint| taint["effect"] == "NoExecute") {
        let is_new = !had.iter().any(|one| one["key"] == taint["key"] && one["effect"] == "NoExecute");
        let says = match text(&taint["key"]) {
            "node.kubernetes.io/not-ready" => "False",
            "node.kubernetes.io/unreachable" => "Unknown",
            _ => continue,
        };
        if is_new && ready != says {
            return Err(format!(
                "{} got the taint {} while its Ready was {ready:?}",
                now.key(),
                taint["key"]
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chaos::invariants::testing::{Bench, deleted, node, pod, with};

    const EVICTION: &str = "taint-eviction-controller";
    const POD_GC: &str = "pod-garbage-collector";

    fn bench() -> Bench<Evictions> {
        let mut bench = Bench::of(Evictions::default());
        bench.ok("node/a", node("a"));
        bench.ok("scheduler", pod("p", "a"));
        bench
    }

    fn tainted(key: &str) -> Value {
        with(node("a"), json!({"spec": {"taints": [{"key": key, "effect": "NoExecute"}]}}))
    }

    #[test]
    fn a_pod_is_evicted_from_a_tainted_node_only() {
        let mut bench = bench();
        bench.bad(EVICTION, deleted(pod("p", "a"), 30), "which had no NoExecute taint");
        let mut bench = self::bench();
        bench.ok("user", tainted("example.com/a"));
        bench.ok("scheduler", pod("q", "a"));
        bench.wait(1);
        bench.ok("user", node("a"));
        bench.wait(1);
        bench.ok("scheduler", pod("r", "a"));
        bench.ok(EVICTION, deleted(pod("p", "a"), 30));
        bench.gone(EVICTION, "pods/shop/q");
        // Seed 83567 of 2026-11-26: the controller's view of the node was late.
        bench.ok(EVICTION, deleted(pod("r", "a"), 30));
        bench.wait(11);
        bench.ok("scheduler", pod("s", "a"));
        bench.bad(EVICTION, deleted(pod("s", "a"), 30), "which had no NoExecute taint");
    }

    #[test]
    fn a_pod_is_collected_when_its_node_is_gone() {
        let mut bench = bench();
        let failed = || with(pod("p", "a"), json!({"status": {"phase": "Failed"}}));
        bench.bad(POD_GC, failed(), "its node \"a\" is there");
        let mut bench = self::bench();
        bench.gone("user", "nodes/a");
        bench.ok("user", node("a"));
        bench.ok(POD_GC, failed());
        let mut bench = self::bench();
        bench.ok("node/a", failed());
        bench.gone(POD_GC, "pods/shop/p");
        bench.ok("user", pod("q", "b"));
        bench.gone(POD_GC, "pods/shop/q");
    }

    #[test]
    fn taints_say_what_the_condition_says() {
        let unknown = json!({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}});
        let mut bench = bench();
        bench.bad(
            "node-controller",
            tainted("node.kubernetes.io/unreachable"),
            "while its Ready was \"True\"",
        );
        let mut bench = self::bench();
        bench.ok("node-controller", with(node("a"), unknown.clone()));
        bench.ok("node-controller", with(tainted("node.kubernetes.io/unreachable"), unknown));
    }
}

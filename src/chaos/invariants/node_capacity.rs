//! A node never runs more than it has: what the pods with running containers ask for fits into its allocatable.
//!
//! Sources: <https://kubernetes.io/docs/concepts/scheduling-eviction/> (a kubelet refuses a pod that does not fit),
//! `pkg/kubelet/lifecycle/predicate.go`. A pod that is gone from the store and still runs keeps what it asked for.
//! Excused, as for a kubelet: pods that were gone before the agent of their node started anew, since it learns of them only
//! by what its runtime has, and removes them. The largest allocatable that a node ever had counts: an agent takes its own
//! from its configuration, and what persons write over it is not asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use orch_core::object::Part;
use orch_core::{Change, Str, kind};

use super::fit::{self, Amounts};
use super::tree::node_of;
use crate::chaos::{Happening, Invariant, Running, World};

/// See the module.
#[derive(Debug, Default)]
pub struct NodeCapacity {
    nodes: BTreeMap<Str, Node>,
    /// What a pod asked for when it was bound, by uid, and where.
    pods: BTreeMap<Str, (Str, Arc<Amounts>)>,
    gone: BTreeSet<Str>,
    /// Gone pods that their agent never heard of.
    unheard: BTreeSet<Str>,
}

#[derive(Debug, Default)]
struct Node {
    /// As it stood in the status.
    json: Vec<u8>,
    allocatable: Amounts,
    agent_started: Option<Duration>,
}

impl Invariant for NodeCapacity {
    fn name(&self) -> &str {
        "node-capacity"
    }

    fn see(&mut self, world: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        match what {
            Happening::Changed { change, .. } => {
                match change.key().kind {
                    kind::NODES => self.node(change),
                    kind::PODS => self.pod(world, change),
                    _ => {}
                }
                Ok(())
            }
            Happening::AgentStarted { node } => {
                self.nodes.entry((*node).into()).or_default().agent_started = Some(world.at);
                let here =
                    self.gone.iter().filter(|uid| self.pods.get(*uid).is_some_and(|(at, _)| **at == **node));
                self.unheard.extend(here.cloned());
                Ok(())
            }
            Happening::Started { container, running } => self.started(container, running),
            _ => Ok(()),
        }
    }
}

impl NodeCapacity {
    fn node(&mut self, change: &Change) {
        let Some(live) = &change.now else { return };
        let Some(json) = live.part_field(Part::Status, "allocatable") else { return };
        let node = self.nodes.entry(live.key().name.clone()).or_default();
        if node.json == json {
            return;
        }
        node.json = json.to_vec();
        for (name, amount) in fit::allocatable(&live.part_tree(Part::Status)) {
            let most = node.allocatable.entry(name).or_insert(amount);
            *most = (*most).max(amount);
        }
    }

    fn pod(&mut self, world: &World<'_>, change: &Change) {
        let (uid, node) = (change.object().uid(), node_of(change.object()));
        match &change.now {
            Some(_) if node.is_empty() || self.pods.contains_key(uid) => {}
            Some(live) => {
                let requests = Arc::new(fit::requests(&live.part_tree(Part::Spec)));
                self.pods.insert(uid.clone(), (node.into(), requests));
            }
            None => {
                self.gone.insert(uid.clone());
                // The list that an agent begins with may be as old as any view.
                let started = self.nodes.get(node).and_then(|node| node.agent_started);
                if started.is_some_and(|started| world.at <= started.saturating_add(world.patience)) {
                    self.unheard.insert(uid.clone());
                }
            }
        }
    }

    fn started(&self, container: &Running, running: &[Running]) -> Result<(), String> {
        let Some(allocatable) = self.nodes.get(&container.node).map(|node| &node.allocatable) else {
            return Ok(());
        };
        if allocatable.is_empty() || self.unheard.contains(&container.uid) {
            return Ok(());
        }
        let mut here: Vec<&Str> = running
            .iter()
            .filter(|one| one.node == container.node && !self.unheard.contains(&one.uid))
            .map(|one| &one.uid)
            .collect();
        here.sort_unstable();
        here.dedup();
        let of = |uid: &Str| self.pods.get(uid).map(|(_, requests)| &**requests);
        let Some(own) = of(&container.uid) else { return Ok(()) };
        // What the node does not know of is a matter of the cluster.
        let own: Amounts = own
            .iter()
            .filter(|(name, _)| allocatable.contains_key(*name) || !is_extended(name))
            .map(|(name, amount)| (name.clone(), *amount))
            .collect();
        match fit::overflow(allocatable, here.iter().filter_map(|uid| of(uid)), &own) {
            None => Ok(()),
            Some(over) => {
                let pods: Vec<&str> = here.iter().map(|uid| self.name_of(running, uid)).collect();
                Err(format!(
                    "node {} runs too much with {}: {over}; it runs {pods:?}",
                    container.node, container.pod
                ))
            }
        }
    }

    fn name_of<'a>(&self, running: &'a [Running], uid: &Str) -> &'a str {
        running.iter().find(|one| one.uid == *uid).map_or("", |one| &one.pod.name)
    }
}

/// Whether a resource is one that a device or a person brings.
fn is_extended(name: &str) -> bool {
    name.contains('/') && !name.starts_with("kubernetes.io/")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::chaos::invariants::testing::{Bench, fails, node, pod, with};

    fn asking(name: &str, cpu: &str) -> Value {
        let containers = json!([{"name": "main", "image": "i", "resources": {"requests": {"cpu": cpu}}}]);
        with(pod(name, "a"), json!({"spec": {"containers": containers}}))
    }

    fn bench() -> Bench<NodeCapacity> {
        let mut bench = Bench::of(NodeCapacity::default());
        bench.ok("node/a", node("a"));
        for (name, cpu) in [("p", "1500m"), ("q", "500m"), ("r", "100m")] {
            bench.ok("user", asking(name, cpu));
        }
        bench
    }

    #[test]
    fn too_much_on_a_node_is_found() {
        let mut bench = bench();
        assert_eq!(bench.start("a", "p", "p"), Ok(()));
        assert_eq!(bench.start("a", "q", "q"), Ok(()));
        assert_eq!(bench.start("a", "q", "q"), Ok(()), "a pod counts once");
        fails(bench.start("a", "r", "r"), "2100 of cpu are asked for, 2000 are there");
        bench.stop("p");
        bench.stop("r");
        assert_eq!(bench.start("a", "r", "r"), Ok(()));
    }

    #[test]
    fn a_pod_that_is_gone_and_runs_counts_unless_its_agent_never_heard_of_it() {
        let mut bench = bench();
        assert_eq!(bench.start("a", "p", "p"), Ok(()));
        bench.gone("user", "pods/shop/p");
        assert_eq!(bench.start("a", "q", "q"), Ok(()));
        fails(bench.start("a", "r", "r"), "2100 of cpu");
        bench.stop("r");
        assert_eq!(bench.see(&Happening::AgentStarted { node: "b" }), Ok(()));
        fails(bench.start("a", "r", "r"), "2100 of cpu");
        bench.stop("r");
        assert_eq!(bench.see(&Happening::AgentStarted { node: "a" }), Ok(()));
        assert_eq!(bench.start("a", "r", "r"), Ok(()));
    }

    #[test]
    fn the_number_of_pods_is_bounded_and_devices_that_are_not_there_do_not_count() {
        let mut bench = Bench::of(NodeCapacity::default());
        bench.ok("node/a", node("a"));
        for name in ["p", "q", "r", "s"] {
            let device = json!([{"name": "main", "resources": {"requests": {"example.com/gpu": "5"}}}]);
            bench.ok("user", with(pod(name, "a"), json!({"spec": {"containers": device}})));
        }
        for name in ["p", "q", "r"] {
            assert_eq!(bench.start("a", name, name), Ok(()));
        }
        fails(bench.start("a", "s", "s"), "4 pods, 3 fit");
    }
}

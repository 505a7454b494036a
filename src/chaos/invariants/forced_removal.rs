//! Pod garbage collection ends no pod whose node may still run it.
//!
//! Sources: `gcOrphaned`, `gcTerminating` and `gcUnscheduledTerminating` of `pkg/controller/podgc/gc_controller.go`,
//! <https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/#non-graceful-node-shutdown>. A pod that has not
//! ended is removed when its node's object is gone, or bears the taint out-of-service; that a node does not answer is no
//! reason. A view may be late, so a node that ever went is not judged by, nor one that ever had the taint.

use std::collections::BTreeSet;

use orch_core::{Change, Live, Str, kind};

use super::tree::{is_terminal, list, node_of};
use crate::chaos::{Happening, Invariant, World};

const COLLECTOR: &str = "pod-garbage-collector";
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// See the module.
#[derive(Debug, Default)]
pub struct ForcedRemoval {
    /// Nodes that are there.
    nodes: BTreeSet<Str>,
    /// Nodes that were gone or out of service at some time.
    doubtful: BTreeSet<Str>,
}

impl Invariant for ForcedRemoval {
    fn name(&self) -> &str {
        "forced-removal"
    }

    fn see(&mut self, _: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        let Happening::Changed { actor, change } = what else { return Ok(()) };
        match change.key().kind {
            kind::NODES => self.node(change),
            kind::PODS if *actor == COLLECTOR => return self.pod(change),
            _ => {}
        }
        Ok(())
    }
}

fn is_out_of_service(node: &Live) -> bool {
    list(&node.tree()["spec"]["taints"]).iter().any(|taint| taint["key"] == OUT_OF_SERVICE)
}

impl ForcedRemoval {
    fn node(&mut self, change: &Change) {
        let name = &change.key().name;
        match &change.now {
            Some(node) => {
                self.nodes.insert(name.clone());
                if is_out_of_service(node) {
                    self.doubtful.insert(name.clone());
                }
            }
            None => _ = self.doubtful.insert(name.clone()),
        }
    }

    fn pod(&self, change: &Change) -> Result<(), String> {
        let Some(before) = change.before.as_ref().filter(|before| !is_terminal(before)) else {
            return Ok(());
        };
        let node = node_of(before);
        if self.nodes.contains(node) && !self.doubtful.contains(node) {
            return Err(format!(
                "{COLLECTOR} ended {} ({}), and its node {node} is there and not out of service",
                change.key(),
                before.uid()
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Bench, deleted, node, ready, with};
    use super::*;

    #[test]
    fn a_node_that_is_there_keeps_its_pods() {
        let mut bench = Bench::of(ForcedRemoval::default());
        bench.ok("node/n1", node("n1"));
        bench.ok("scheduler", ready("a", "n1"));
        bench.ok("node-controller", deleted(ready("a", "n1"), 30));
        bench.not_gone(COLLECTOR, "pods/shop/a", "is there and not out of service");
    }

    #[test]
    fn a_node_that_is_gone_or_out_of_service_does_not() {
        let mut bench = Bench::of(ForcedRemoval::default());
        bench.ok("node/n1", node("n1"));
        bench.ok("scheduler", ready("a", "n1"));
        bench.ok("scheduler", ready("b", "n2"));
        bench.gone(COLLECTOR, "pods/shop/b");
        let taints = json!([{"key": OUT_OF_SERVICE, "effect": "NoExecute"}]);
        bench.ok("user", with(node("n1"), json!({"spec": {"taints": taints}})));
        bench.gone(COLLECTOR, "pods/shop/a");
    }
}

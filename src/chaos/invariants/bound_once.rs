//! A pod is bound once: `spec.nodeName` never changes once it is set.
//!
//! Sources: the `nodeName` of `ValidatePodUpdate` in `pkg/apis/core/validation/validation.go` and
//! `setPodNodeAndMetadata` in `pkg/registry/core/pod/storage/storage.go`, which also refuses to bind a pod that is being
//! deleted or has scheduling gates (KEP-3521). That the node exists is not promised: a person may name any. The
//! scheduler only names nodes that it has seen, so those that were there at some time.

use std::collections::BTreeSet;

use orch_core::object::Part;
use orch_core::{Change, Str, kind};

use super::tree::{is_person, node_of};
use crate::chaos::{Happening, Invariant, World};

/// See the module.
#[derive(Debug, Default)]
pub struct BoundOnce {
    /// Every node that was ever there.
    nodes: BTreeSet<Str>,
}

impl Invariant for BoundOnce {
    fn name(&self) -> &str {
        "bound-once"
    }

    fn see(&mut self, _: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        let Happening::Changed { actor, change } = what else { return Ok(()) };
        match change.key().kind {
            kind::NODES if change.before.is_none() => {
                self.nodes.insert(change.key().name.clone());
                Ok(())
            }
            kind::PODS => self.pod(actor, change),
            _ => Ok(()),
        }
    }
}

impl BoundOnce {
    fn pod(&self, actor: &str, change: &Change) -> Result<(), String> {
        let (Some(now), Some(before)) = (&change.now, &change.before) else { return Ok(()) };
        let (old, new) = (node_of(before), node_of(now));
        if old == new || before.uid() != now.uid() {
            return Ok(());
        }
        let pod = format!("{} ({})", now.key(), now.uid());
        if !old.is_empty() {
            return Err(format!("{actor} moved {pod} from node {old:?} to {new:?}"));
        }
        if before.header().is_terminating() {
            return Err(format!("{actor} bound {pod} to {new}, and it is being deleted"));
        }
        let gates = before.part_field(Part::Spec, "schedulingGates");
        if gates.is_some_and(|gates| !matches!(gates, b"[]" | b"null")) {
            return Err(format!("{actor} bound {pod} to {new} in spite of its scheduling gates"));
        }
        if !is_person(actor) && !self.nodes.contains(new) {
            return Err(format!("{actor} bound {pod} to {new}, and there never was such a node"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chaos::invariants::testing::{Bench, node, pod, with};

    #[test]
    fn a_pod_that_moves_is_found() {
        let mut bench = Bench::of(BoundOnce::default());
        bench.ok("node/a", node("a"));
        bench.ok("user", pod("p", ""));
        bench.ok("scheduler", pod("p", "a"));
        bench.ok("node/a", with(pod("p", "a"), json!({"status": {"phase": "Running"}})));
        bench.bad("scheduler", pod("p", "b"), "from node \"a\" to \"b\"");
    }

    #[test]
    fn a_pod_of_the_same_name_may_be_elsewhere() {
        let mut bench = Bench::of(BoundOnce::default());
        bench.ok("user", pod("p", "a"));
        bench.gone("user", "pods/shop/p");
        bench.ok("user", with(pod("p", "b"), json!({"metadata": {"uid": "another"}})));
    }

    #[test]
    fn only_pods_that_may_be_bound_are() {
        let mut bench = Bench::of(BoundOnce::default());
        bench.ok("user", pod("p", ""));
        bench.bad("scheduler", pod("p", "nowhere"), "there never was such a node");
        bench.ok("node/a", node("a"));
        let gated = json!({"spec": {"schedulingGates": [{"name": "example.com/wait"}]}});
        bench.ok("user", with(pod("q", ""), gated));
        bench.bad("scheduler", pod("q", "a"), "in spite of its scheduling gates");
        let deleted = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
        bench.ok("user", with(pod("r", ""), deleted.clone()));
        bench.bad("scheduler", with(pod("r", "a"), deleted), "it is being deleted");
    }
}

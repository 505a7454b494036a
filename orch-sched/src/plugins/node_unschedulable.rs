//! Nodes that are cordoned off. As `pkg/scheduler/framework/plugins/nodeunschedulable/node_unschedulable.go`.

use crate::cluster::{Node, NodeFacts, Pod, Taint, TaintEffect};
use crate::framework::{Check, ClusterEvent, Filter, Plugin, Refusal, Signature};

/// A node with `spec.unschedulable` fits only pods that tolerate its taint.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeUnschedulable;

fn fits(pod: &Pod, node: &NodeFacts) -> bool {
    !node.is_unschedulable() || {
        let key = "node.kubernetes.io/unschedulable".into();
        let taint = Taint { key, value: "".into(), effect: TaintEffect::NoSchedule };
        pod.spec().tolerations.iter().any(|toleration| toleration.tolerates(&taint))
    }
}

impl Plugin for NodeUnschedulable {
    fn name(&self) -> &'static str {
        "NodeUnschedulable"
    }

    fn sign(&self, pod: &Pod, signature: &mut Signature) {
        signature.add(&pod.spec().tolerations);
    }

    fn helps(&self, pod: &Pod, event: &ClusterEvent<'_>) -> bool {
        match event {
            ClusterEvent::NodeAdded { node } => fits(pod, node.facts()),
            ClusterEvent::NodeChanged { before, node } => !fits(pod, before) && fits(pod, node.facts()),
            _ => false,
        }
    }
}

impl Filter for NodeUnschedulable {
    fn check(&self, pod: &Pod, node: &Node<'_>) -> Check {
        if fits(pod, node.facts()) {
            Ok(())
        } else {
            Err(Refusal::unresolvable("node(s) were unschedulable"))
        }
    }
}

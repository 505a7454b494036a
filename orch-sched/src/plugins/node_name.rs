//! A pod that names its node goes there. As `pkg/scheduler/framework/plugins/nodename/node_name.go`.

use crate::cluster::{Node, Pod};
use crate::framework::{Check, ClusterEvent, Filter, Plugin, Refusal, Signature};

/// Only the node of `spec.nodeName` fits a pod that has one.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeName;

impl Plugin for NodeName {
    fn name(&self) -> &'static str {
        "NodeName"
    }

    fn sign(&self, pod: &Pod, signature: &mut Signature) {
        signature.add(&pod.bound_to());
    }

    fn helps(&self, pod: &Pod, event: &ClusterEvent<'_>) -> bool {
        matches!(event, ClusterEvent::NodeAdded { node } if pod.bound_to() == Some(&**node.name()))
    }
}

impl Filter for NodeName {
    fn check(&self, pod: &Pod, node: &Node<'_>) -> Check {
        if pod.bound_to().is_none_or(|name| name == &**node.name()) {
            Ok(())
        } else {
            Err(Refusal::unresolvable("node(s) didn't match the requested node name"))
        }
    }
}

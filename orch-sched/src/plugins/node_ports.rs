//! Ports of the node. As `pkg/scheduler/framework/plugins/nodeports/node_ports.go`.

use crate::cluster::{Node, Pod};
use crate::framework::{Check, ClusterEvent, Filter, Plugin, PreFilter, Prefilter, Refusal, Signature};

/// Two pods of a node cannot have the same port of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodePorts;

fn conflict(pod: &Pod, other: &Pod) -> bool {
    let taken = &other.spec().host_ports;
    pod.spec().host_ports.iter().any(|port| taken.iter().any(|other| port.conflicts(other)))
}

impl Plugin for NodePorts {
    fn name(&self) -> &'static str {
        "NodePorts"
    }

    fn sign(&self, pod: &Pod, signature: &mut Signature) {
        signature.add(&pod.spec().host_ports);
    }

    fn helps(&self, pod: &Pod, event: &ClusterEvent<'_>) -> bool {
        match event {
            ClusterEvent::NodeAdded { node } => self.check(pod, node).is_ok(),
            ClusterEvent::PodGone { pod: gone } => conflict(pod, gone),
            _ => false,
        }
    }
}

impl PreFilter for NodePorts {
    fn pre_filter(&self, pod: &Pod) -> Result<Prefilter, Refusal> {
        Ok(if pod.spec().host_ports.is_empty() { Prefilter::Skip } else { Prefilter::All })
    }
}

impl Filter for NodePorts {
    fn check(&self, pod: &Pod, node: &Node<'_>) -> Check {
        if node.pods().any(|other| conflict(pod, other)) {
            Err(Refusal::resolvable("node(s) didn't have free ports for the requested pod ports"))
        } else {
            Ok(())
        }
    }
}

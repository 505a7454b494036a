//! Node selector and node affinity. As `pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go`.

use super::share_of;
use crate::cluster::{Node, NodeFacts, NodeTerm, Pod};
use crate::framework::{
    Bounds, Check, ClusterEvent, Filter, Plugin, PreFilter, Prefilter, Refusal, Score, Signature,
};

/// A pod goes where its selector and its required affinity match, and rather where its preferred one does.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeAffinity;

fn matches(pod: &Pod, node: &NodeFacts) -> bool {
    let spec = pod.spec();
    spec.node_selector.matches(|key| node.label(key))
        && spec.required_nodes.as_ref().is_none_or(|terms| terms.iter().any(|term| term.matches(node)))
}

impl Plugin for NodeAffinity {
    fn name(&self) -> &'static str {
        "NodeAffinity"
    }

    fn sign(&self, pod: &Pod, signature: &mut Signature) {
        let spec = pod.spec();
        signature.add(&(&spec.node_selector, &spec.required_nodes, &spec.preferred_nodes));
    }

    fn helps(&self, pod: &Pod, event: &ClusterEvent<'_>) -> bool {
        match event {
            ClusterEvent::NodeAdded { node } => matches(pod, node.facts()),
            ClusterEvent::NodeChanged { before, node } => !matches(pod, before) && matches(pod, node.facts()),
            _ => false,
        }
    }
}

impl PreFilter for NodeAffinity {
    fn pre_filter(&self, pod: &Pod) -> Result<Prefilter, Refusal> {
        let spec = pod.spec();
        let Some(terms) = &spec.required_nodes else {
            return Ok(if spec.node_selector.is_everything() { Prefilter::Skip } else { Prefilter::All });
        };
        let names: Option<Vec<_>> = terms.iter().map(|term| term.only_node().map(Into::into)).collect();
        Ok(names.map_or(Prefilter::All, Prefilter::Only))
    }
}

impl Filter for NodeAffinity {
    fn check(&self, pod: &Pod, node: &Node<'_>) -> Check {
        if matches(pod, node.facts()) {
            Ok(())
        } else {
            Err(Refusal::unresolvable("node(s) didn't match Pod's node affinity/selector"))
        }
    }
}

impl Score for NodeAffinity {
    fn applies(&self, pod: &Pod) -> bool {
        !pod.spec().preferred_nodes.is_empty()
    }

    fn score(&self, pod: &Pod, node: &Node<'_>) -> i64 {
        let matches = |(_, term): &&(i64, NodeTerm)| term.matches(node.facts());
        pod.spec().preferred_nodes.iter().filter(matches).map(|(weight, _)| weight).sum()
    }

    fn normalises(&self) -> bool {
        true
    }

    fn normalise(&self, score: i64, bounds: Bounds) -> i64 {
        share_of(score, bounds.max)
    }
}

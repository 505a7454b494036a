//! What if pods were not on a node: for plugins that make room.
//!
//! Invariant: when a trial ends, the node is as it was.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::lens::{Lens, Refused};
use super::plugin::Check;
use crate::cluster::{Cluster, Node, NodeId, Pod, PodId, Sign};

/// One node, from which pods can be taken and put back.
pub struct Trial<'a> {
    lens: Lens<'a>,
    cluster: &'a mut Cluster,
    node: NodeId,
    leaving: &'a BTreeMap<PodId, PodId>,
    off: Vec<PodId>,
}

impl<'a> Trial<'a> {
    pub(crate) fn new(
        lens: Lens<'a>,
        cluster: &'a mut Cluster,
        node: NodeId,
        leaving: &'a BTreeMap<PodId, PodId>,
    ) -> Self {
        Self { lens, cluster, node, leaving, off: Vec::new() }
    }

    /// The node as it is in the trial.
    #[must_use]
    pub fn node(&self) -> Node<'_> {
        self.cluster.node(self.node)
    }

    /// A pod of it.
    #[must_use]
    pub fn pod(&self, id: PodId) -> &Arc<Pod> {
        self.cluster.pod(id)
    }

    /// Whether a pod is on its way off the node: it terminates, or it was decided that it goes.
    #[must_use]
    pub fn is_leaving(&self, id: PodId) -> bool {
        self.leaving.contains_key(&id) || self.pod(id).is_terminating()
    }

    /// Takes a pod off the node.
    pub fn remove(&mut self, id: PodId) {
        self.cluster.try_count(id, self.node, Sign::Off);
        self.off.push(id);
    }

    /// Puts a pod back.
    pub fn restore(&mut self, id: PodId) {
        if let Some(at) = self.off.iter().rposition(|other| *other == id) {
            self.off.remove(at);
            self.cluster.try_count(id, self.node, Sign::On);
        }
    }

    /// Whether the pod that needs room fits now.
    ///
    /// # Errors
    /// Why it does not.
    pub fn fits(&mut self) -> Check {
        self.lens.check_promised(self.cluster, self.node).map_err(|refused: Refused| refused.1)
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        while let Some(id) = self.off.pop() {
            self.cluster.try_count(id, self.node, Sign::On);
        }
    }
}

//! Resources of the node: whether a pod fits, how full and how balanced the node gets.
//!
//! As `pkg/scheduler/framework/plugins/noderesources`; the strategy `RequestedToCapacityRatio` and the list of ignored
//! resources are left out.

use orch_core::Str;

use super::MAX_SCORE;
use crate::cluster::{Cluster, Column, Node, NodeFacts, NodeId, Pod, Requests, Resource};
use crate::framework::{Check, ClusterEvent, Filter, Plugin, Refusal, Remedy, Score, Signature};

/// Whether emptier or fuller nodes are better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Strategy {
    #[default]
    LeastAllocated,
    MostAllocated,
}

/// A pod fits where what it asks for is free.
///
/// ```
/// use orch_sched::framework::{Profile, Using};
/// use orch_sched::plugins::NodeResourcesFit;
/// // Fills nodes up, the ones with GPUs first of all.
/// let fit = NodeResourcesFit::most_allocated().weights([("cpu", 1), ("example.com/gpu", 5)]);
/// let profile = Profile::kubernetes().with(Using::new(fit).filter().score(1));
/// assert!(format!("{profile:?}").contains("NodeResourcesFit"));
/// ```
#[derive(Clone, Debug)]
pub struct NodeResourcesFit {
    strategy: Strategy,
    weights: Vec<(Name, i64)>,
}

#[derive(Clone, Debug)]
enum Name {
    Native(Resource),
    Extended(Str),
}

impl Name {
    fn resource(&self, node: &Node<'_>) -> Option<Resource> {
        match self {
            Self::Native(resource) => Some(*resource),
            Self::Extended(name) => node.resources().get(name),
        }
    }
}

/// Emptier nodes are better; CPU and memory count the same.
impl Default for NodeResourcesFit {
    fn default() -> Self {
        Self { strategy: Strategy::LeastAllocated, weights: Vec::new() }.weights([("cpu", 1), ("memory", 1)])
    }
}

impl NodeResourcesFit {
    /// Emptier nodes are better.
    #[must_use]
    pub fn least_allocated() -> Self {
        Self::default()
    }

    /// Fuller nodes are better.
    #[must_use]
    pub fn most_allocated() -> Self {
        Self { strategy: Strategy::MostAllocated, ..Self::default() }
    }

    /// The resources that count, and how much.
    #[must_use]
    pub fn weights<'a>(mut self, weights: impl IntoIterator<Item = (&'a str, i64)>) -> Self {
        let name = |name: &str| match name {
            "cpu" => Name::Native(Resource::CPU),
            "memory" => Name::Native(Resource::MEMORY),
            "ephemeral-storage" => Name::Native(Resource::EPHEMERAL_STORAGE),
            name => Name::Extended(name.into()),
        };
        self.weights = weights.into_iter().map(|(resource, weight)| (name(resource), weight)).collect();
        self
    }
}

/// Whether a pod fits an empty node.
fn fits_empty(pod: &Pod, node: &NodeFacts) -> bool {
    let enough = |(resource, amount): (Resource, i64)| amount <= node.allocatable().get(resource);
    node.allowed_pods() > 0 && pod.spec().requests.amounts.iter().all(enough)
}

/// Whether a node has more of something that the pod asks for.
fn has_more(pod: &Pod, before: &NodeFacts, now: &NodeFacts) -> bool {
    let more =
        |(resource, _): (Resource, i64)| now.allocatable().get(resource) > before.allocatable().get(resource);
    now.allowed_pods() > before.allowed_pods() || pod.spec().requests.amounts.iter().any(more)
}

impl Plugin for NodeResourcesFit {
    fn name(&self) -> &'static str {
        "NodeResourcesFit"
    }

    fn sign(&self, pod: &Pod, signature: &mut Signature) {
        signature.add(&pod.spec().requests);
    }

    fn helps(&self, pod: &Pod, event: &ClusterEvent<'_>) -> bool {
        match event {
            ClusterEvent::NodeAdded { node } => fits_empty(pod, node.facts()),
            ClusterEvent::NodeChanged { before, node } => {
                fits_empty(pod, node.facts())
                    && (!fits_empty(pod, before) || has_more(pod, before, node.facts()))
            }
            ClusterEvent::PodGone { .. } => true,
            ClusterEvent::PodChanged { before, pod: now } => {
                let requests = |pod: &Pod, resource| pod.spec().requests.amounts.get(resource);
                let mut asked = pod.spec().requests.amounts.iter();
                asked.any(|(resource, _)| requests(now, resource) < requests(before, resource))
            }
            _ => false,
        }
    }
}

impl Filter for NodeResourcesFit {
    fn check(&self, pod: &Pod, node: &Node<'_>) -> Check {
        let mut refusal = Refusal { remedy: Remedy::Preemption, reasons: Vec::new() };
        if node.pod_count() + 1 > node.allowed_pods() {
            refusal.reasons.push("Too many pods".into());
        }
        for (resource, amount) in pod.spec().requests.amounts.iter() {
            let allocatable = node.allocatable(resource);
            if amount > allocatable.saturating_sub(node.requested(resource)) {
                refusal.reasons.push(node.resources().insufficient(resource));
                if amount > allocatable {
                    refusal.remedy = Remedy::None;
                }
            }
        }
        if refusal.reasons.is_empty() { Ok(()) } else { Err(refusal) }
    }

    fn filter_columns(
        &self,
        pod: &Pod,
        cluster: &Cluster,
        nodes: &mut Vec<NodeId>,
        refuse: &mut dyn FnMut(NodeId, Refusal),
    ) {
        let column =
            |(resource, amount)| (cluster.allocatable(resource), cluster.requested(resource), amount);
        let columns: Vec<_> = pod.spec().requests.amounts.iter().map(column).collect();
        let value =
            |column: Option<&Column<i64>>, node: NodeId| column.map_or(0, |column| *column.get(node.0));
        nodes.retain(|node| {
            let fits =
                |(allocatable, requested, amount): &(Option<&Column<i64>>, Option<&Column<i64>>, i64)| {
                    *amount <= value(*allocatable, *node).saturating_sub(value(*requested, *node))
                };
            if cluster.pod_counts().get(node.0) < cluster.allowed_pods().get(node.0)
                && columns.iter().all(fits)
            {
                return true;
            }
            if let Err(refusal) = self.check(pod, &cluster.node(*node)) {
                refuse(*node, refusal);
            }
            false
        });
    }
}

impl Score for NodeResourcesFit {
    fn score(&self, pod: &Pod, node: &Node<'_>) -> i64 {
        let (mut sum, mut weights) = (0, 0);
        for (name, weight) in &self.weights {
            let Some(resource) = name.resource(node) else { continue };
            let asked = nonzero(&pod.spec().requests, resource);
            let allocatable = node.allocatable(resource);
            if allocatable == 0 || (asked == 0 && !resource.is_native()) {
                continue;
            }
            let requested = node.nonzero_requested(resource).saturating_add(asked);
            let score = match self.strategy {
                Strategy::LeastAllocated if requested > allocatable => 0,
                Strategy::LeastAllocated => (allocatable - requested).saturating_mul(MAX_SCORE) / allocatable,
                Strategy::MostAllocated => requested.min(allocatable).saturating_mul(MAX_SCORE) / allocatable,
            };
            sum += score * weight;
            weights += weight;
        }
        if weights == 0 { 0 } else { sum / weights }
    }
}

fn nonzero(requests: &Requests, resource: Resource) -> i64 {
    match resource {
        Resource::CPU => requests.nonzero_milli_cpu,
        Resource::MEMORY => requests.nonzero_memory,
        other => requests.amounts.get(other),
    }
}

/// A node is better when CPU and memory are used in equal parts.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeResourcesBalancedAllocation;

impl Plugin for NodeResourcesBalancedAllocation {
    fn name(&self) -> &'static str {
        "NodeResourcesBalancedAllocation"
    }

    fn sign(&self, pod: &Pod, signature: &mut Signature) {
        signature.add(&pod.spec().requests);
    }
}

impl Score for NodeResourcesBalancedAllocation {
    /// A pod that asks for nothing would always go to the most balanced node.
    fn applies(&self, pod: &Pod) -> bool {
        let amounts = &pod.spec().requests.amounts;
        amounts.milli_cpu != 0 || amounts.memory != 0
    }

    #[expect(clippy::cast_possible_truncation, reason = "the value lies between 0 and 100")]
    fn score(&self, pod: &Pod, node: &Node<'_>) -> i64 {
        let fraction = |resource: Resource| {
            let allocatable = node.allocatable(resource);
            let requested =
                node.requested(resource).saturating_add(pod.spec().requests.amounts.get(resource));
            (allocatable != 0).then(|| (requested as f64 / allocatable as f64).min(1.0))
        };
        let deviation = match (fraction(Resource::CPU), fraction(Resource::MEMORY)) {
            (Some(cpu), Some(memory)) => ((cpu - memory) / 2.0).abs(),
            _ => 0.0,
        };
        ((1.0 - deviation) * MAX_SCORE as f64) as i64
    }
}

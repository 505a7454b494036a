//! What a scheduler knows of the nodes and of the pods on them, in columns by dense node number.
//!
//! Not the queue and not the plugins' own knowledge. Invariants: the loads of a node are the sums over its pods; every change
//! of a node is in the log; a copy costs pointers and is independent.

mod affinity;
mod column;
mod log;
mod node;
mod placing;
mod pod;
mod requests;
mod resource;

pub use affinity::{NodeTerm, Taint, TaintEffect, Toleration};
pub use column::Column;
pub use node::NodeFacts;
pub use pod::{ClaimName, HostPort, Pod, PodSpec, Preemption};
pub use requests::Requests;
pub use resource::{Amounts, Resource, Resources};

pub(crate) use log::ChangeLog;
pub(crate) use placing::Sign;
pub(crate) use resource::quantity;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use orch_core::{Key, Live, Str};

use pod::Specs;

/// A node's place in the columns. A place is taken again after its node is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u32);

/// A pod's place in the table of pods. A place is taken again after its pod is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodId(pub(crate) u32);

/// The nodes and pods of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    resources: Resources,
    specs: Specs,
    ids: Arc<BTreeMap<Str, NodeId>>,
    free_nodes: Vec<NodeId>,
    facts: Column<Option<Arc<NodeFacts>>>,
    loads: Loads,
    on_node: Column<Vec<PodId>>,
    pod_ids: Arc<HashMap<Key, PodId>>,
    free_pods: Vec<PodId>,
    pods: Column<Option<Slot>>,
    /// Pods on nodes that are not known.
    strays: BTreeMap<Str, BTreeSet<PodId>>,
    nominated: BTreeMap<NodeId, BTreeSet<PodId>>,
    nominations: BTreeMap<PodId, NodeId>,
    log: ChangeLog,
    /// Counts changes of the nodes themselves, their load aside.
    shape: u64,
}

#[derive(Clone, Debug)]
struct Slot {
    pod: Arc<Pod>,
    /// The node that it counts on, by name, and by place when that node is known.
    node: Option<(Str, Option<NodeId>)>,
}

/// What pods take of each node, and what it has.
#[derive(Clone, Debug, Default)]
struct Loads {
    /// By resource; `None` while no node and no placed pod has to do with it.
    allocatable: Vec<Option<Column<i64>>>,
    requested: Vec<Option<Column<i64>>>,
    nonzero_milli_cpu: Column<i64>,
    nonzero_memory: Column<i64>,
    allowed_pods: Column<i64>,
    pods: Column<i64>,
    len: usize,
}

impl Cluster {
    /// How many nodes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// A bound above every place in the columns.
    #[must_use]
    pub fn places(&self) -> usize {
        self.loads.len
    }

    /// Every node, in order of name.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        self.ids.values().map(|id| self.node(*id))
    }

    /// The node of a name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.ids.get(name).copied()
    }

    /// The node at a place.
    ///
    /// # Panics
    /// When no node has the place.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Node<'_> {
        let facts = self.facts.get(id.0).as_ref().expect("a node id is only used while its node is there");
        Node { cluster: self, id, facts }
    }

    /// Whether a node has that place now.
    #[must_use]
    pub fn is_node(&self, id: NodeId) -> bool {
        (id.0 as usize) < self.facts.len() && self.facts.get(id.0).is_some()
    }

    /// The pod at a place.
    ///
    /// # Panics
    /// When no pod has the place.
    #[must_use]
    pub fn pod(&self, id: PodId) -> &Arc<Pod> {
        &self.slot(id).pod
    }

    /// The place of a pod.
    #[must_use]
    pub fn pod_id(&self, key: &Key) -> Option<PodId> {
        self.pod_ids.get(key).copied()
    }

    /// The node that a pod counts on, by name.
    #[must_use]
    pub fn node_of(&self, pod: PodId) -> Option<&Str> {
        self.slot(pod).node.as_ref().map(|(name, _)| name)
    }

    /// The names of resources.
    #[must_use]
    pub fn resources(&self) -> &Resources {
        &self.resources
    }

    /// What each node has of a resource; `None` when no node has any.
    #[must_use]
    pub fn allocatable(&self, resource: Resource) -> Option<&Column<i64>> {
        self.loads.allocatable.get(resource.0 as usize).and_then(Option::as_ref)
    }

    /// What the pods of each node ask for of a resource; `None` when none asks for any.
    #[must_use]
    pub fn requested(&self, resource: Resource) -> Option<&Column<i64>> {
        self.loads.requested.get(resource.0 as usize).and_then(Option::as_ref)
    }

    /// How many pods each node takes.
    #[must_use]
    pub fn allowed_pods(&self) -> &Column<i64> {
        &self.loads.allowed_pods
    }

    /// How many pods each node has.
    #[must_use]
    pub fn pod_counts(&self) -> &Column<i64> {
        &self.loads.pods
    }

    /// Pods that were promised a node.
    pub fn nominated(&self, node: NodeId) -> impl Iterator<Item = PodId> + '_ {
        self.nominated.get(&node).into_iter().flatten().copied()
    }

    pub(crate) fn log(&self) -> &ChangeLog {
        &self.log
    }

    pub(crate) fn shape(&self) -> u64 {
        self.shape
    }

    /// Says that a plugin may see that node differently.
    pub(crate) fn touch(&mut self, node: NodeId) {
        self.log.push(node, self.ids.len());
    }

    pub(crate) fn read_node(&mut self, live: &Live) -> NodeFacts {
        NodeFacts::read(live, &mut self.resources)
    }

    pub(crate) fn read_pod(&mut self, live: &Live, before: Option<PodId>) -> Pod {
        let before = before.map(|id| Arc::clone(&self.slot(id).pod));
        self.specs.pod(live, before.as_deref(), &mut self.resources)
    }

    fn slot(&self, id: PodId) -> &Slot {
        self.pods.get(id.0).as_ref().expect("a pod id is only used while its pod is there")
    }

    fn slot_mut(&mut self, id: PodId) -> &mut Slot {
        self.pods.get_mut(id.0).as_mut().expect("a pod id is only used while its pod is there")
    }
}

/// A node and what runs on it.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    cluster: &'a Cluster,
    id: NodeId,
    facts: &'a Arc<NodeFacts>,
}

impl<'a> Node<'a> {
    /// Its place in the columns.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'a Str {
        self.facts.name()
    }

    /// What is known of it by itself.
    #[must_use]
    pub fn facts(&self) -> &'a NodeFacts {
        self.facts
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&'a str> {
        self.facts.label(key)
    }

    /// What it has of a resource.
    #[must_use]
    pub fn allocatable(&self, resource: Resource) -> i64 {
        self.cluster.allocatable(resource).map_or(0, |column| *column.get(self.id.0))
    }

    /// What its pods ask for of a resource.
    #[must_use]
    pub fn requested(&self, resource: Resource) -> i64 {
        self.cluster.requested(resource).map_or(0, |column| *column.get(self.id.0))
    }

    /// What its pods ask for, with a default for those that do not say; it differs for CPU and memory only.
    #[must_use]
    pub fn nonzero_requested(&self, resource: Resource) -> i64 {
        match resource {
            Resource::CPU => *self.cluster.loads.nonzero_milli_cpu.get(self.id.0),
            Resource::MEMORY => *self.cluster.loads.nonzero_memory.get(self.id.0),
            other => self.requested(other),
        }
    }

    /// How many pods it takes.
    #[must_use]
    pub fn allowed_pods(&self) -> i64 {
        *self.cluster.loads.allowed_pods.get(self.id.0)
    }

    /// How many pods it has.
    #[must_use]
    pub fn pod_count(&self) -> i64 {
        *self.cluster.loads.pods.get(self.id.0)
    }

    /// The pods that count on it, in no order.
    pub fn pods(&self) -> impl Iterator<Item = &'a Arc<Pod>> + use<'a> {
        let cluster = self.cluster;
        cluster.on_node.get(self.id.0).iter().map(move |pod| cluster.pod(*pod))
    }

    /// The places of the pods that count on it, in no order.
    #[must_use]
    pub fn pod_ids(&self) -> &'a [PodId] {
        self.cluster.on_node.get(self.id.0)
    }

    /// The names of resources.
    #[must_use]
    pub fn resources(&self) -> &'a Resources {
        &self.cluster.resources
    }
}

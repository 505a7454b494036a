//! Changes of a cluster: nodes and pods come and go, pods are counted on nodes and off them.

use std::sync::Arc;

use orch_core::{Key, Str};

use super::{Cluster, Column, NodeFacts, NodeId, Pod, PodId, Resource, Slot};

impl Cluster {
    /// Adds a node or replaces its facts; `None` when nothing that matters changed.
    pub(crate) fn put_node(&mut self, facts: NodeFacts) -> Option<(NodeId, Option<Arc<NodeFacts>>)> {
        let name = facts.name().clone();
        let known = self.find(&name);
        let before = known.and_then(|id| self.facts.get(id.0).clone());
        if before.as_ref().is_some_and(|before| before.is_same(&facts)) {
            return None;
        }
        let id = known.unwrap_or_else(|| self.free_node());
        for (resource, column) in (0..).map(Resource).zip(&mut self.loads.allocatable) {
            if let Some(column) = column {
                *column.get_mut(id.0) = facts.allocatable().get(resource);
            }
        }
        for (resource, amount) in facts.allocatable().iter() {
            *self.column(resource, Which::Allocatable).get_mut(id.0) = amount;
        }
        *self.loads.allowed_pods.get_mut(id.0) = facts.allowed_pods();
        *self.facts.get_mut(id.0) = Some(Arc::new(facts));
        if known.is_none() {
            Arc::make_mut(&mut self.ids).insert(name.clone(), id);
            for pod in self.strays.remove(&name).unwrap_or_default() {
                self.place(pod, &name);
            }
        }
        self.shape += 1;
        self.touch(id);
        Some((id, before))
    }

    /// Takes a node out; its pods wait for a node of that name.
    pub(crate) fn remove_node(&mut self, name: &str) -> Option<NodeId> {
        let id = self.find(name)?;
        let strays = self.on_node.get(id.0).clone();
        strays.iter().for_each(|pod| self.count(*pod, id, Sign::Off));
        Arc::make_mut(&mut self.ids).remove(name);
        for pod in strays {
            let slot = self.slot_mut(pod);
            let name = slot.node.take().map_or_else(|| name.into(), |(name, _)| name);
            slot.node = Some((name.clone(), None));
            self.strays.entry(name).or_default().insert(pod);
        }
        for pod in self.nominated.remove(&id).unwrap_or_default() {
            self.nominations.remove(&pod);
        }
        *self.facts.get_mut(id.0) = None;
        self.free_nodes.push(id);
        self.shape += 1;
        self.touch(id);
        Some(id)
    }

    fn free_node(&mut self) -> NodeId {
        if let Some(id) = self.free_nodes.pop() {
            return id;
        }
        let id = NodeId(u32::try_from(self.loads.len).expect("fewer nodes than 2^32"));
        self.loads.len += 1;
        let len = self.loads.len;
        self.facts.grow(len);
        self.on_node.grow(len);
        let loads = &mut self.loads;
        for column in loads.allocatable.iter_mut().chain(&mut loads.requested).flatten() {
            column.grow(len);
        }
        for column in [
            &mut loads.nonzero_milli_cpu,
            &mut loads.nonzero_memory,
            &mut loads.allowed_pods,
            &mut loads.pods,
        ] {
            column.grow(len);
        }
        id
    }

    /// Adds a pod that counts nowhere yet, or replaces its facts wherever it counts.
    pub(crate) fn put_pod(&mut self, pod: Pod) -> PodId {
        let pod = Arc::new(pod);
        let Some(id) = self.pod_id(pod.key()) else {
            let id = self.free_pods.pop().unwrap_or_else(|| {
                let id = PodId(u32::try_from(self.pods.len()).expect("fewer pods than 2^32"));
                self.pods.grow(self.pods.len() + 1);
                id
            });
            Arc::make_mut(&mut self.pod_ids).insert(pod.key().clone(), id);
            *self.pods.get_mut(id.0) = Some(Slot { pod, node: None });
            return id;
        };
        let slot = self.slot(id);
        let at = slot.node.as_ref().and_then(|(_, at)| *at);
        let same_spec = Arc::ptr_eq(slot.pod.spec(), pod.spec());
        let same_labels = slot.pod.object().header().labels == pod.object().header().labels;
        let leaves = slot.pod.is_terminating() != pod.is_terminating();
        match at {
            Some(at) if !same_spec => {
                self.count(id, at, Sign::Off);
                self.slot_mut(id).pod = pod;
                self.count(id, at, Sign::On);
                self.touch(at);
            }
            at => {
                self.slot_mut(id).pod = pod;
                if let Some(at) = at.filter(|_| leaves || !same_labels) {
                    self.touch(at);
                }
            }
        }
        id
    }

    /// Forgets a pod.
    pub(crate) fn remove_pod(&mut self, key: &Key) {
        let Some(id) = self.pod_id(key) else { return };
        self.unplace(id);
        self.renounce(id);
        Arc::make_mut(&mut self.pod_ids).remove(key);
        *self.pods.get_mut(id.0) = None;
        self.free_pods.push(id);
    }

    /// Counts a pod on a node, known or not.
    pub(crate) fn place(&mut self, pod: PodId, node: &Str) {
        self.unplace(pod);
        let at = self.find(node);
        self.slot_mut(pod).node = Some((node.clone(), at));
        match at {
            Some(at) => {
                self.count(pod, at, Sign::On);
                self.touch(at);
            }
            None => {
                self.strays.entry(node.clone()).or_default().insert(pod);
            }
        }
    }

    /// Counts a pod nowhere.
    pub(crate) fn unplace(&mut self, pod: PodId) {
        match self.slot_mut(pod).node.take() {
            Some((_, Some(at))) => {
                self.count(pod, at, Sign::Off);
                self.touch(at);
            }
            Some((name, None)) => {
                if let Some(strays) = self.strays.get_mut(&name) {
                    strays.remove(&pod);
                    if strays.is_empty() {
                        self.strays.remove(&name);
                    }
                }
            }
            None => {}
        }
    }

    /// Promises a pod a node.
    pub(crate) fn nominate(&mut self, pod: PodId, node: NodeId) {
        self.renounce(pod);
        self.nominated.entry(node).or_default().insert(pod);
        self.nominations.insert(pod, node);
        self.touch(node);
    }

    /// The node that a pod was promised.
    pub(crate) fn nomination(&self, pod: PodId) -> Option<NodeId> {
        self.nominations.get(&pod).copied()
    }

    /// Takes back what a pod was promised; says which node that was.
    pub(crate) fn renounce(&mut self, pod: PodId) -> Option<NodeId> {
        let node = self.nominations.remove(&pod)?;
        if let Some(pods) = self.nominated.get_mut(&node) {
            pods.remove(&pod);
            if pods.is_empty() {
                self.nominated.remove(&node);
            }
        }
        self.touch(node);
        Some(node)
    }

    /// Counts a pod on a node or off it for a trial: the log and the pod know nothing of it, and it is undone.
    pub(crate) fn try_count(&mut self, pod: PodId, node: NodeId, sign: Sign) {
        self.count(pod, node, sign);
    }

    fn count(&mut self, id: PodId, node: NodeId, sign: Sign) {
        let pod = Arc::clone(self.pod(id));
        let factor = match sign {
            Sign::On => 1,
            Sign::Off => -1,
        };
        let requests = &pod.spec().requests;
        for (resource, amount) in requests.amounts.iter() {
            add(self.column(resource, Which::Requested).get_mut(node.0), amount * factor);
        }
        add(self.loads.nonzero_milli_cpu.get_mut(node.0), requests.nonzero_milli_cpu * factor);
        add(self.loads.nonzero_memory.get_mut(node.0), requests.nonzero_memory * factor);
        *self.loads.pods.get_mut(node.0) += factor;
        let pods = self.on_node.get_mut(node.0);
        match sign {
            Sign::On => pods.push(id),
            // Newest first: trials and deletions of the newest are the most frequent.
            Sign::Off => {
                if let Some(at) = pods.iter().rposition(|other| *other == id) {
                    pods.swap_remove(at);
                }
            }
        }
    }

    fn column(&mut self, resource: Resource, which: Which) -> &mut Column<i64> {
        let columns = match which {
            Which::Allocatable => &mut self.loads.allocatable,
            Which::Requested => &mut self.loads.requested,
        };
        let at = resource.0 as usize;
        if columns.len() <= at {
            columns.resize_with(at + 1, || None);
        }
        let column = columns[at].get_or_insert_default();
        column.grow(self.loads.len);
        column
    }
}

/// Amounts are bounded, so only absurd sums wrap; and what wraps is undone exactly.
fn add(sum: &mut i64, amount: i64) {
    *sum = sum.wrapping_add(amount);
}

/// Whether a pod is counted on a node or off it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    On,
    Off,
}

#[derive(Clone, Copy)]
enum Which {
    Allocatable,
    Requested,
}

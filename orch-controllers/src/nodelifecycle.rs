//! Node lifecycle: nodes that do not answer are marked, their pods are marked, both get taints
//! (`pkg/controller/nodelifecycle`), and pods leave tainted nodes (`pkg/controller/tainteviction`).
//!
//! Whether a node answers is measured on this observer's own clock: how long ago it *saw* the node's Lease, or the time of
//! its last status, change. What time stands in them does not matter. The view keeps when that was
//! ([`Projection::remember`]); a crash loses it, and every node has its grace period
//! anew.
//!
//! Not here: setting a node ready. Its agent does, by posting its status again when it sees that it was marked.
//! Invariant: a node is tainted `NoExecute` no faster than the pace of its zone allows, and never while no node at all
//! answers: then it is the observer that is cut off.

mod eviction;
mod health;
mod pace;
mod taints;

pub use eviction::TaintEvictionController;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use orch_core::controller::{Controller, Note, Plan};
use orch_core::object::Part;
use orch_core::view::{Needs, Projection, Row, View};
use orch_core::{Change, Key, Live, Object, Write, kind};
use serde_json::{Value, json};

use crate::carried::{self, Condition};
use crate::facts::{BY_NODE, Node, Pod, Readiness, TAINTED, WANTS_TAINT, condition};
use crate::json::text;
use health::{Health, Lease};
use pace::Paces;
use taints::Mistainted;

/// The timings of node lifecycle, by default Kubernetes' (`--node-monitor-grace-period` and others).
///
/// ```
/// use std::time::Duration;
/// use orch_controllers::nodelifecycle::{NodeLifecycleConfig, NodeLifecycleController};
/// let mut config = NodeLifecycleConfig::default();
/// assert_eq!(config.grace, Duration::from_secs(50));
/// config.grace = Duration::from_secs(5);
/// let _ = NodeLifecycleController::new(config);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeLifecycleConfig {
    /// A node that has been silent for so long does not answer any more.
    pub grace: Duration,
    /// The same for a node that has not posted a status yet.
    pub startup_grace: Duration,
    /// Time between two nodes of a zone that get a `NoExecute` taint.
    pub eviction_interval: Duration,
    /// The same in a large zone most of whose nodes do not answer. In a small one nothing is evicted then.
    pub secondary_eviction_interval: Duration,
    /// A zone with more nodes is large.
    pub large_zone: usize,
    /// From so many nodes in a hundred on, most of a zone does not answer.
    pub unhealthy_percent: usize,
}

impl Default for NodeLifecycleConfig {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(50),
            startup_grace: Duration::from_secs(60),
            eviction_interval: Duration::from_secs(10),
            secondary_eviction_interval: Duration::from_secs(100),
            large_zone: 50,
            unhealthy_percent: 55,
        }
    }
}

/// Marks and taints nodes that do not answer or are short of something.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeLifecycleController {
    config: NodeLifecycleConfig,
}

impl NodeLifecycleController {
    /// With other timings.
    #[must_use]
    pub fn new(config: NodeLifecycleConfig) -> Self {
        Self { config }
    }
}

/// What a turn is about.
pub enum Observed {
    /// One node.
    Node(Box<OneNode>),
    /// Which nodes get a `NoExecute` taint next.
    Pace(Paces),
}

/// A node, how it is, and its pods that claim to be ready.
pub struct OneNode {
    node: Arc<Row<Node>>,
    /// `null`, as `spec` is, for a node that answers and has the taints that it should have.
    status: Value,
    spec: Value,
    health: Health,
    is_mistainted: bool,
    ready_pods: Vec<(Object, Value)>,
    now: Timestamp,
}

/// The key under which the pace of eviction is kept. No node has an empty name.
fn pace() -> Key {
    Key::cluster(kind::NODES, "")
}

impl Controller for NodeLifecycleController {
    type Observed = Observed;

    fn name(&self) -> &str {
        "node-controller"
    }

    fn needs(&self) -> Needs {
        Needs::new().of::<Node>().of::<Mistainted>().of::<Pod>().of::<Lease>()
    }

    fn keys(&self, change: &Change, view: &dyn View, out: &mut dyn FnMut(Key)) {
        let key = change.key();
        if key.kind == kind::NODES {
            out(key.clone());
            if concerns_pace(change, view) {
                out(pace());
            }
        } else if key.kind == kind::PODS
            && let Some(pod) = view.of::<Pod>().get(key).filter(|pod| pod.facts.ready)
        {
            let node = Key::cluster(kind::NODES, pod.facts.node.clone());
            let is_down = |node: &Arc<Row<Node>>| {
                is_down(&node.facts) && pod.object.revision() < node.object.revision()
            };
            if view.of::<Node>().get(&node).is_some_and(is_down) {
                out(node);
            }
        }
        // A Lease that is renewed only moves the end of the grace period: the timer that is set finds that out.
    }

    fn observe(&self, key: &Key, now: Timestamp, view: &dyn View) -> Option<Observed> {
        let nodes = view.of::<Node>();
        if *key == pace() {
            return Paces::measure(&self.config, nodes, now).map(Observed::Pace);
        }
        let node = nodes.get(key)?;
        let lease = view.of::<Lease>().get(&health::lease(&key.name));
        let ready_pods = if is_down(&node.facts) {
            let pods = view.of::<Pod>().indexed(BY_NODE, &key.name);
            // A pod that was written after the node was marked knows better.
            let stale = pods.filter(|pod| pod.facts.ready && pod.object.revision() < node.object.revision());
            stale
                .map(|pod| (pod.object.clone(), pod.object.part_to(Part::Status).unwrap_or_default()))
                .collect()
        } else {
            Vec::new()
        };
        let health = Health::of(&self.config, &node.facts, lease.map(|lease| &lease.facts), now);
        let is_mistainted = view.of::<Mistainted>().get(key).is_some_and(|row| row.facts.0);
        let is_looked_at = health == Health::Silent || is_mistainted;
        let part = |part| is_looked_at.then(|| node.object.part_to(part).unwrap_or_default());
        Some(Observed::Node(Box::new(OneNode {
            status: part(Part::Status).unwrap_or_default(),
            spec: part(Part::Spec).unwrap_or_default(),
            health,
            is_mistainted,
            node: Arc::clone(node),
            ready_pods,
            now,
        })))
    }

    fn plan(&self, observed: &Observed) -> Plan {
        match observed {
            Observed::Node(node) => node.plan(),
            Observed::Pace(paces) => paces.plan(),
        }
    }
}

impl OneNode {
    fn plan(&self) -> Plan {
        let mut plan = Plan::new();
        let node = &self.node.object;
        let silent = match self.health {
            Health::Answers(left) => {
                plan = plan.again_after(left);
                None
            }
            Health::Silent => health::unknown(&self.status["conditions"], node, self.now),
        };
        if let Some(conditions) = silent {
            let patch = json!({"status": {"conditions": conditions}});
            plan = plan.write(Write::merge_status(node.key().clone(), patch).at(node.revision()));
            if self.node.facts.ready == Readiness::True {
                let message = format!("Node {} status is now: NodeNotReady", node.key().name);
                plan = plan.note(Note::normal(node.key(), node.uid(), "NodeNotReady", message).after(0));
            }
        } else if self.is_mistainted
            && let Some(taints) = taints::desired(&self.node.facts, &self.spec, &self.status, self.now)
        {
            plan = plan.write(taints::write(node, &taints));
        }
        self.ready_pods.iter().fold(plan, |plan, (pod, status)| not_ready(plan, pod, status, self.now))
    }
}

/// Whether the node says itself that it is not ready, or has been marked as not answering.
fn is_down(node: &Node) -> bool {
    matches!(node.ready, Readiness::False | Readiness::Unknown)
}

/// Whether a change can bring on, or stop, the next `NoExecute` taint. Only while a node waits for one does that cost a
/// decoding.
fn concerns_pace(change: &Change, view: &dyn View) -> bool {
    let nodes = view.of::<Node>();
    if nodes.get(change.key()).is_some_and(|row| row.facts.wants_taint()) {
        return true;
    }
    if nodes.indexed(WANTS_TAINT, "").next().is_none() && nodes.indexed(TAINTED, "").next().is_none() {
        return false;
    }
    match (&change.before, nodes.get(change.key())) {
        (Some(before), Some(now)) => {
            let was = nodes.before(change).map(|row| row.facts.ready);
            was.unwrap_or_else(|| Node::project(&Live::from(before.clone())).ready) != now.facts.ready
        }
        _ => true,
    }
}

/// Marks a pod as not ready: its node cannot say so.
fn not_ready(plan: Plan, pod: &Object, status: &Value, now: Timestamp) -> Plan {
    let conditions = &status["conditions"];
    let reason = condition(conditions, "Ready").map_or("", |ready| text(&ready["reason"]));
    let message = condition(conditions, "Ready").map_or("", |ready| text(&ready["message"]));
    let ready = Condition { kind: "Ready", status: "False", reason, message };
    let Some(conditions) = carried::set(conditions, ready, now) else { return plan };
    let write = Write::merge_status(pod.key().clone(), json!({"status": {"conditions": conditions}}));
    let at = plan.writes.len();
    plan.write(write.of(pod.uid()).at(pod.revision()))
        .note(Note::warning(pod.key(), pod.uid(), "NodeNotReady", "Node is not ready").after(at))
}

#[cfg(test)]
mod tests;

//! Pod garbage collection: pods that nobody else removes (`pkg/controller/podgc/gc_controller.go`).
//!
//! Those assigned to a node that is gone, those that terminate and were never assigned, those that terminate on a node out
//! of service, and the oldest of those that ended when there are too many. Owners are none of its business. Invariant: a
//! node counts as gone only when it has been missing for the quarantine, in a view that is not older than the pod.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use orch_core::controller::{Controller, Plan};
use orch_core::object::Part;
use orch_core::view::{Needs, Row, View};
use orch_core::{Change, Key, Object, Revision, Str, Write, kind};
use serde_json::{Value, json};

use crate::carried::{self, Condition};
use crate::facts::{BY_NODE, Node, Pod, Readiness, TERMINATED};

/// Pods removed in one turn: what one node may cost the others.
const BURST: usize = 500;

/// How long and how many.
///
/// ```
/// use orch_controllers::podgc::PodGcConfig;
/// assert_eq!(PodGcConfig::default().terminated_pods, 12_500);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PodGcConfig {
    /// So many ended pods stay (`--terminated-pod-gc-threshold`).
    pub terminated_pods: usize,
    /// A node must have been missing for so long.
    pub quarantine: Duration,
}

impl Default for PodGcConfig {
    /// Kubernetes': 12,500 pods, 40 s.
    fn default() -> Self {
        Self { terminated_pods: 12_500, quarantine: Duration::from_secs(40) }
    }
}

/// Removes pods that nobody else removes.
#[derive(Debug, Default)]
pub struct PodGcController {
    config: PodGcConfig,
    /// Since when nodes that pods are assigned to have been missing. A crash loses it: the quarantine begins anew. Bounded
    /// by the nodes that have pods.
    missing: Mutex<BTreeMap<Str, Timestamp>>,
}

impl PodGcController {
    /// With other limits.
    #[must_use]
    pub fn new(config: PodGcConfig) -> Self {
        Self { config, ..Self::default() }
    }
}

/// What there is to remove.
pub enum Observed {
    /// A node is missing, but not for long enough.
    Quarantined(Duration),
    /// The view of nodes is older than a pod.
    Behind(Revision),
    /// These pods.
    #[non_exhaustive]
    Remove {
        /// Each with its status.
        pods: Vec<(Object, Value)>,
        /// What to tell of them.
        why: Why,
        /// There are more.
        more: bool,
        /// For the conditions.
        now: Timestamp,
    },
}

/// Why pods are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Their node is gone.
    NodeGone,
    /// Nobody will end them.
    Unattended,
}

/// The key under which the number of ended pods is looked at. No pod has an empty name.
fn ended() -> Key {
    Key::cluster(kind::PODS, "")
}

impl Controller for PodGcController {
    type Observed = Observed;

    fn name(&self) -> &str {
        "pod-garbage-collector"
    }

    fn needs(&self) -> Needs {
        Needs::new().of::<Pod>().of::<Node>()
    }

    fn keys(&self, change: &Change, view: &dyn View, out: &mut dyn FnMut(Key)) {
        let key = change.key();
        if key.kind == kind::NODES {
            if change.now.is_none() || change.before.is_none() {
                out(key.clone());
            }
            if view.of::<Node>().get(key).is_some_and(|node| is_out_of_service(&node.facts)) {
                let pods = view.of::<Pod>().indexed(BY_NODE, &key.name);
                pods.filter(|pod| pod.object.header().is_terminating())
                    .for_each(|pod| out(pod.object.key().clone()));
            }
            return;
        }
        let Some(pod) = view.of::<Pod>().get(key) else { return };
        let node = Key::cluster(kind::NODES, pod.facts.node.clone());
        if pod.object.header().is_terminating() {
            out(key.clone());
        }
        if !node.name.is_empty() && view.of::<Node>().get(&node).is_none() {
            out(node);
        }
        let phase = change.before.as_ref().and_then(|before| before.field("status.phase"));
        if pod.facts.ended && phase != pod.object.field("status.phase") {
            out(ended());
        }
    }

    fn observe(&self, key: &Key, now: Timestamp, view: &dyn View) -> Option<Observed> {
        if *key == ended() {
            return self.too_many(now, view);
        }
        if key.kind == kind::NODES {
            return self.on_missing(&key.name, now, view);
        }
        let pod = view.of::<Pod>().get(key)?;
        let nodes = view.of::<Node>();
        let node = nodes.get(&Key::cluster(kind::NODES, pod.facts.node.clone()));
        let unattended = pod.facts.node.is_empty() || node.is_some_and(|node| is_out_of_service(&node.facts));
        let due = unattended && pod.object.header().is_terminating() && !is_done(&pod.object);
        due.then(|| remove(&[pod], Why::Unattended, now))
    }

    fn plan(&self, observed: &Observed) -> Plan {
        match observed {
            Observed::Quarantined(left) => Plan::new().again_after(*left),
            Observed::Behind(revision) => Plan::new().when_seen(kind::NODES, *revision),
            Observed::Remove { pods, why, more, now } => {
                let plan =
                    pods.iter().fold(Plan::new(), |plan, (pod, status)| end(plan, pod, status, *why, *now));
                if *more { plan.again_after(Duration::ZERO) } else { plan }
            }
        }
    }
}

impl PodGcController {
    /// The oldest of the ended pods that are too many. Costs as many steps as there may be ended pods.
    fn too_many(&self, now: Timestamp, view: &dyn View) -> Option<Observed> {
        let ended = view.of::<Pod>().indexed(TERMINATED, "");
        let mut ended: Vec<_> = ended.filter(|pod| !pod.object.header().is_terminating()).collect();
        let surplus = ended.len().checked_sub(self.config.terminated_pods).filter(|surplus| *surplus > 0)?;
        ended.sort_by_key(|pod| {
            (!pod.facts.evicted, pod.object.header().created, pod.object.key().name.clone())
        });
        ended.truncate(surplus);
        Some(remove(&ended, Why::Unattended, now))
    }

    fn on_missing(&self, node: &Str, now: Timestamp, view: &dyn View) -> Option<Observed> {
        let is_there = view.of::<Node>().get(&Key::cluster(kind::NODES, node.clone())).is_some();
        let pods: Vec<_> = view.of::<Pod>().indexed(BY_NODE, node).collect();
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        if is_there || pods.is_empty() {
            missing.remove(node);
            return None;
        }
        let since = *missing.entry(node.clone()).or_insert(now);
        let quarantine = SignedDuration::try_from(self.config.quarantine).unwrap_or(SignedDuration::MAX);
        let left = since.checked_add(quarantine).unwrap_or(Timestamp::MAX).duration_since(now);
        if let Some(left) = Duration::try_from(left).ok().filter(|left| !left.is_zero()) {
            return Some(Observed::Quarantined(left));
        }
        let newest = pods.iter().map(|pod| pod.object.revision()).max()?;
        if view.revision(kind::NODES) < newest {
            return Some(Observed::Behind(newest));
        }
        let left: Vec<_> = pods.into_iter().filter(|pod| !is_done(&pod.object)).collect();
        (!left.is_empty()).then(|| remove(&left, Why::NodeGone, now))
    }
}

fn is_out_of_service(node: &Node) -> bool {
    node.out_of_service && node.ready != Readiness::True
}

/// It is being removed as fast as can be: what is left is a finalizer's.
fn is_done(pod: &Object) -> bool {
    pod.header().is_terminating() && pod.header().deletion_grace_secs == Some(0)
}

fn remove(pods: &[&Arc<Row<Pod>>], why: Why, now: Timestamp) -> Observed {
    let status =
        |pod: &&Arc<Row<Pod>>| (pod.object.clone(), pod.object.part_to(Part::Status).unwrap_or_default());
    Observed::Remove {
        pods: pods.iter().take(BURST).map(status).collect(),
        why,
        more: pods.len() > BURST,
        now,
    }
}

/// A pod that has not ended is marked as failed first: with its node gone nobody else will.
fn end(mut plan: Plan, pod: &Object, status: &Value, why: Why, now: Timestamp) -> Plan {
    if !matches!(status["phase"].as_str(), Some("Succeeded" | "Failed")) {
        let mut patch = json!({"phase": "Failed"});
        let disrupted = Condition {
            kind: "DisruptionTarget",
            status: "True",
            reason: "DeletionByPodGC",
            message: "PodGC: node no longer exists",
        };
        if why == Why::NodeGone
            && let Some(conditions) = carried::set(&status["conditions"], disrupted, now)
        {
            patch["conditions"] = conditions;
        }
        let write = Write::merge_status(pod.key().clone(), json!({"status": patch}));
        plan = plan.write(write.of(pod.uid()).at(pod.revision()));
    }
    plan.write(Write::delete(pod.key().clone()).of(pod.uid()).grace(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::by_hand::{ByHand, body, lines};

    fn node(ready: &str, taint: Option<&str>) -> Value {
        let taints: Vec<_> =
            taint.into_iter().map(|key| json!({"key": key, "effect": "NoExecute"})).collect();
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "spec": {"taints": taints},
            "status": {"conditions": [{"type": "Ready", "status": ready}]}})
    }

    fn pod(name: &str, node: &str, phase: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"},
            "spec": {"nodeName": node}, "status": {"phase": phase, "conditions": [{"type": "Ready", "status": "True"}]}})
    }

    fn terminating(mut pod: Value) -> Value {
        pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:30Z".into();
        pod["metadata"]["deletionGracePeriodSeconds"] = 30.into();
        pod
    }

    fn key(name: &str) -> Key {
        Key::new(kind::PODS, "shop", name)
    }

    fn n1() -> Key {
        Key::cluster(kind::NODES, "n1")
    }

    #[test]
    fn pods_of_a_node_that_is_gone_are_failed_and_removed_after_the_quarantine() {
        let mut world = ByHand::new(PodGcController::default());
        world.put(node("True", None));
        assert!(world.put(pod("a", "n1", "Running")).is_empty());
        world.put(pod("b", "n1", "Succeeded"));
        assert_eq!(world.remove(&n1()), [n1()]);
        assert_eq!(world.plan(&n1()), Plan::new().again_after(Duration::from_secs(40)));
        world.wait(39);
        assert_eq!(world.plan(&n1()), Plan::new().again_after(Duration::from_secs(1)));
        world.wait(1);
        let plan = world.plan(&n1());
        assert_eq!(
            lines(&plan),
            ["merge pods/shop/a status", "delete pods/shop/a grace 0", "delete pods/shop/b grace 0"]
        );
        let status = &body(&plan.writes[0])["status"];
        assert_eq!(
            (&status["phase"], &status["conditions"][1]["reason"]),
            (&json!("Failed"), &json!("DeletionByPodGC"))
        );
        assert_eq!(status["conditions"][0]["type"], "Ready", "others are carried over");
    }

    #[test]
    fn a_node_that_comes_back_ends_the_quarantine() {
        let mut world = ByHand::new(PodGcController::default());
        assert_eq!(world.put(pod("a", "n1", "Running")), [n1()]);
        assert!(!world.plan(&n1()).is_empty());
        world.wait(39);
        assert_eq!(world.put(node("True", None)), [n1()]);
        assert!(world.plan(&n1()).is_empty());
        world.remove(&n1());
        world.wait(100);
        assert_eq!(world.plan(&n1()), Plan::new().again_after(Duration::from_secs(40)), "it begins anew");
    }

    #[test]
    fn a_terminating_pod_without_a_node_is_removed() {
        let mut world = ByHand::new(PodGcController::default());
        assert!(world.put(pod("a", "", "Pending")).is_empty());
        assert_eq!(world.put(terminating(pod("a", "", "Pending"))), [key("a")]);
        assert_eq!(lines(&world.plan(&key("a"))), ["merge pods/shop/a status", "delete pods/shop/a grace 0"]);
    }

    #[test]
    fn a_terminating_pod_on_a_node_out_of_service_is_removed() {
        let out = Some("node.kubernetes.io/out-of-service");
        for (node, removed) in [(node("Unknown", out), 2), (node("True", out), 0), (node("Unknown", None), 0)]
        {
            let mut world = ByHand::new(PodGcController::default());
            world.put(terminating(pod("a", "n1", "Running")));
            world.put(pod("b", "n1", "Running"));
            world.put(node);
            assert_eq!(world.plan(&key("a")).writes.len(), removed);
            assert!(world.plan(&key("b")).is_empty(), "it does not terminate");
        }
    }

    #[test]
    fn the_oldest_ended_pods_go_when_there_are_too_many_and_evicted_ones_before() {
        let config = PodGcConfig { terminated_pods: 2, ..PodGcConfig::default() };
        let mut world = ByHand::new(PodGcController::new(config));
        world.put(node("True", None));
        for (name, second) in [("c", 1), ("a", 2), ("b", 3)] {
            let mut pod = pod(name, "n1", "Succeeded");
            pod["metadata"]["creationTimestamp"] = format!("2026-01-01T00:00:0{second}Z").into();
            assert_eq!(world.put(pod), [ended()]);
        }
        assert_eq!(lines(&world.plan(&ended())), ["delete pods/shop/c grace 0"]);
        let mut evicted = pod("b", "n1", "Failed");
        evicted["status"]["reason"] = "Evicted".into();
        world.put(evicted);
        assert_eq!(lines(&world.plan(&ended())), ["delete pods/shop/b grace 0"]);
        world.remove(&key("b"));
        assert!(world.plan(&ended()).is_empty());
    }

    #[test]
    fn what_waits_for_a_finalizer_only_is_not_deleted_again() {
        let mut world = ByHand::new(PodGcController::default());
        let mut held = terminating(pod("a", "", "Failed"));
        held["metadata"]["deletionGracePeriodSeconds"] = 0.into();
        world.put(held);
        assert!(world.plan(&key("a")).is_empty());
    }

    #[test]
    fn a_view_of_nodes_that_is_older_than_the_pod_proves_nothing() {
        let mut world = ByHand::per_kind(PodGcController::default());
        world.put(pod("a", "n1", "Running"));
        world.plan(&n1());
        world.wait(40);
        assert_eq!(world.plan(&n1()), Plan::new().when_seen(kind::NODES, world.object(&key("a")).revision()));
    }
}

//! Taint eviction: pods leave a node whose `NoExecute` taints they do not tolerate, or no longer
//! (`pkg/controller/tainteviction/taint_eviction.go`).
//!
//! How long a pod has stood is counted from when the taint was added or the pod was assigned, whichever was later; upstream
//! counts from when its controller noticed. Budgets for disruption are not asked: the node is lost anyway.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use orch_core::controller::{Controller, Note, Plan};
use orch_core::object::Part;
use orch_core::view::{Needs, Projection, View};
use orch_core::{Change, Key, Live, Object, Write, kind};
use serde_json::{Value, json};

use super::pace::since;
use crate::carried::{self, Condition};
use crate::facts::{BY_NODE, Node, Pod, Taint, Toleration};

/// Deletes pods that stand on tainted nodes.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TaintEvictionController;

/// A pod that must go.
pub struct Observed {
    pod: Object,
    status: Value,
    /// `None` when it is due.
    left: Option<Duration>,
    now: Timestamp,
}

impl Controller for TaintEvictionController {
    type Observed = Observed;

    fn name(&self) -> &str {
        "taint-eviction-controller"
    }

    fn needs(&self) -> Needs {
        Needs::new().of::<Node>().of::<Pod>()
    }

    fn keys(&self, change: &Change, view: &dyn View, out: &mut dyn FnMut(Key)) {
        let key = change.key();
        let (nodes, pods) = (view.of::<Node>(), view.of::<Pod>());
        let is_tainted = |node: &Key| nodes.get(node).is_some_and(|node| !node.facts.no_execute.is_empty());
        if key.kind == kind::NODES {
            // When the last taint is gone there is nothing to do: timers that are set find that out.
            if is_tainted(key) && taints_changed(change, view) {
                pods.indexed(BY_NODE, &key.name).for_each(|pod| out(pod.object.key().clone()));
            }
        } else if let Some(pod) = pods.get(key)
            && is_tainted(&Key::cluster(kind::NODES, pod.facts.node.clone()))
        {
            out(key.clone());
        }
    }

    fn observe(&self, key: &Key, now: Timestamp, view: &dyn View) -> Option<Observed> {
        let pod = view.of::<Pod>().get(key).filter(|pod| !pod.object.header().is_terminating())?;
        let node = view.of::<Node>().get(&Key::cluster(kind::NODES, pod.facts.node.clone()))?;
        let end = end(&node.facts, &pod.facts, now)?;
        Some(Observed {
            pod: pod.object.clone(),
            status: pod.object.part_to(Part::Status).unwrap_or_default(),
            left: Duration::try_from(end.duration_since(now)).ok().filter(|left| !left.is_zero()),
            now,
        })
    }

    fn plan(&self, observed: &Observed) -> Plan {
        if let Some(left) = observed.left {
            return Plan::new().again_after(left);
        }
        let (pod, mut plan) = (&observed.pod, Plan::new());
        let disrupted = Condition {
            kind: "DisruptionTarget",
            status: "True",
            reason: "DeletionByTaintManager",
            message: "Taint manager: deleting due to NoExecute taint",
        };
        if let Some(conditions) = carried::set(&observed.status["conditions"], disrupted, observed.now) {
            let write = Write::merge_status(pod.key().clone(), json!({"status": {"conditions": conditions}}));
            plan = plan.write(write.of(pod.uid()).at(pod.revision()));
        }
        let at = plan.writes.len();
        let message = format!("Marking for deletion Pod {}/{}", pod.key().namespace, pod.key().name);
        plan.write(Write::delete(pod.key().clone()).of(pod.uid()))
            .note(Note::normal(pod.key(), pod.uid(), "TaintManagerEviction", message).after(at))
    }
}

fn taints_changed(change: &Change, view: &dyn View) -> bool {
    let (Some(before), Some(now)) = (&change.before, view.of::<Node>().get(change.key())) else {
        return true;
    };
    match view.of::<Node>().before(change) {
        Some(was) => was.facts.no_execute != now.facts.no_execute,
        None => Node::project(&Live::from(before.clone())).no_execute != now.facts.no_execute,
    }
}

/// When the pod has to leave the node; `None` when it may stay.
fn end(node: &Node, pod: &Pod, now: Timestamp) -> Option<Timestamp> {
    let assigned = pod.assigned.map_or(pod.assigned_seen, |assigned| assigned.min(pod.assigned_seen));
    let of = |taint: &Taint| {
        let Some(toleration) = pod.tolerations.iter().find(|toleration| tolerates(toleration, taint)) else {
            return Some(now);
        };
        let secs = toleration.toleration_seconds?;
        let since = since(taint, node).max(assigned).min(now);
        Some(since.checked_add(SignedDuration::from_secs(secs.max(0))).unwrap_or(Timestamp::MAX))
    };
    node.no_execute.iter().filter_map(of).min()
}

/// `ToleratesTaint` in `staging/src/k8s.io/component-helpers/scheduling/corev1/helpers.go`.
fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let fits = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
    fits(&toleration.effect, &taint.effect)
        && fits(&toleration.key, &taint.key)
        && match &*toleration.operator {
            "" | "Equal" => toleration.value == taint.value,
            "Exists" => true,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::needless_pass_by_value, reason = "tables are written with values")]

    use super::*;
    use crate::by_hand::{ByHand, body, lines, notes};

    fn node(taints: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "spec": {"taints": taints}})
    }

    fn unreachable() -> Value {
        json!([{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"}])
    }

    fn pod(tolerations: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"},
            "spec": {"nodeName": "n1", "tolerations": tolerations},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    }

    fn key() -> Key {
        Key::new(kind::PODS, "shop", "p")
    }

    fn tolerate(secs: Value) -> Value {
        json!({"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": secs})
    }

    /// After how many seconds the pod leaves; `None` for never.
    #[track_caller]
    fn check(taints: Value, tolerations: Value, expected: Option<i64>) {
        let mut world = ByHand::new(TaintEvictionController);
        world.put(pod(tolerations));
        world.put(node(taints));
        let plan = world.plan(&key());
        let Some(secs) = expected else { return assert!(plan.is_empty(), "{plan:?}") };
        if secs > 0 {
            assert_eq!(plan, Plan::new().again_after(Duration::from_secs(u64::try_from(secs).unwrap())));
        }
        world.wait(secs);
        assert_eq!(lines(&world.plan(&key())), ["merge pods/shop/p status", "delete pods/shop/p"]);
    }

    #[test]
    fn a_pod_stays_as_long_as_it_tolerates() {
        check(json!([]), json!([]), None);
        check(unreachable(), json!([]), Some(0));
        check(unreachable(), json!([tolerate(json!(300))]), Some(300));
        check(unreachable(), json!([tolerate(json!(0))]), Some(0));
        check(unreachable(), json!([tolerate(Value::Null)]), None);
        check(unreachable(), json!([{"operator": "Exists"}]), None);
        check(
            json!([{"key": "a", "value": "x", "effect": "NoExecute"}]),
            json!([{"key": "a", "value": "x"}]),
            None,
        );
        check(
            json!([{"key": "a", "value": "x", "effect": "NoExecute"}]),
            json!([{"key": "a", "value": "y"}]),
            Some(0),
        );
        check(json!([{"key": "a", "effect": "NoSchedule"}]), json!([]), None);
    }

    #[test]
    fn the_shortest_of_several_tolerations_counts() {
        let mut taints = unreachable();
        taints.as_array_mut().unwrap().push(json!({"key": "b", "effect": "NoExecute"}));
        let other = json!({"key": "b", "operator": "Exists", "tolerationSeconds": 20});
        check(taints.clone(), json!([tolerate(json!(300)), other]), Some(20));
        check(taints, json!([tolerate(json!(300))]), Some(0));
    }

    #[test]
    fn a_pod_that_came_later_has_its_whole_time() {
        let mut world = ByHand::new(TaintEvictionController);
        world.put(node(unreachable()));
        world.wait(100);
        assert_eq!(world.put(pod(json!([tolerate(json!(300))]))), [key()]);
        assert_eq!(world.plan(&key()), Plan::new().again_after(Duration::from_secs(300)));
    }

    #[test]
    fn the_eviction_is_told_and_marked_once() {
        let mut world = ByHand::new(TaintEvictionController);
        world.put(pod(json!([])));
        assert_eq!(world.put(node(unreachable())), [key()]);
        let plan = world.plan(&key());
        assert_eq!(
            notes(&plan),
            [("TaintManagerEviction".into(), "Marking for deletion Pod shop/p".to_owned())]
        );
        let conditions = &body(&plan.writes[0])["status"]["conditions"];
        assert_eq!(
            (&conditions[0]["type"], &conditions[1]["type"]),
            (&json!("Ready"), &json!("DisruptionTarget"))
        );
        assert_eq!(conditions[1]["reason"], "DeletionByTaintManager");
        let mut marked = pod(json!([]));
        marked["status"]["conditions"] = conditions.clone();
        world.put(marked.clone());
        assert_eq!(lines(&world.plan(&key())), ["delete pods/shop/p"]);
        marked["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:30Z".into();
        world.put(marked);
        assert!(world.plan(&key()).is_empty());
    }

    #[test]
    fn a_taint_that_is_gone_in_time_lets_the_pod_stay() {
        let mut world = ByHand::new(TaintEvictionController);
        world.put(pod(json!([tolerate(json!(300))])));
        world.put(node(unreachable()));
        world.wait(299);
        assert!(world.put(node(json!([]))).is_empty());
        world.wait(1);
        assert!(world.plan(&key()).is_empty());
    }

    #[test]
    fn other_changes_of_a_tainted_node_concern_no_pod() {
        let mut world = ByHand::new(TaintEvictionController);
        world.put(pod(json!([tolerate(json!(300))])));
        world.put(node(unreachable()));
        let mut posted = node(unreachable());
        posted["status"] = json!({"conditions": []});
        assert!(world.put(posted).is_empty());
    }
}

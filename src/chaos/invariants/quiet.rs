//! A cluster that has what is wanted leaves itself alone: nothing is written but heartbeats.
//!
//! Sources: controllers are level-triggered and write only differences
//! (<https://kubernetes.io/docs/concepts/architecture/controller/>); Leases and the heartbeats of nodes are the exception
//! (<https://kubernetes.io/docs/reference/node/node-status/#heartbeats>), and Events expire (`--event-ttl`). A container of a
//! pod that is gone, which could not be stopped, is stopped again after a back-off, and told of again (`backOffPeriod` in
//! `pkg/kubelet/kubelet.go`): once, since by then nothing fails any more.

use std::collections::BTreeSet;

use orch_core::object::Part;
use orch_core::{Change, Key, Object, kind};
use serde_json::Value;

use super::tree::agent_of;
use crate::chaos::{Happening, Invariant, Phase, World};

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Quiet {
    /// Events that were told again.
    stopped_again: BTreeSet<Key>,
}

impl Invariant for Quiet {
    fn name(&self) -> &str {
        "quiet"
    }

    fn see(&mut self, world: &World<'_>, what: &Happening<'_>) -> Result<(), String> {
        match what {
            Happening::Changed { actor, change } if world.phase == Phase::Quiet => {
                if is_calm(actor, change) || self.is_stopped_again(world, actor, change) {
                    return Ok(());
                }
                Err(format!("{actor} wrote {}: {}", change.key(), told(change)))
            }
            _ => Ok(()),
        }
    }
}

impl Quiet {
    /// Whether an agent tells for the first time again that it stops what is left of a pod that is gone.
    fn is_stopped_again(&mut self, world: &World<'_>, actor: &str, change: &Change) -> bool {
        let Some(event) = change.now.as_ref().filter(|_| change.before.is_some()) else { return false };
        if event.key().kind != kind::EVENTS || agent_of(actor).is_none() {
            return false;
        }
        let tree = event.tree();
        let about = &tree["involvedObject"];
        let is_there = world.truth.of(kind::PODS).any(|pod| about["uid"] == **pod.uid());
        tree["reason"] == "Killing" && !is_there && self.stopped_again.insert(event.key().clone())
    }
}

fn is_calm(actor: &str, change: &Change) -> bool {
    match (change.key().kind, &change.before, &change.now) {
        // One that somebody took away comes again with the next heartbeat.
        (kind::LEASES, _, Some(_)) => agent_of(actor).is_some(),
        (kind::EVENTS, Some(_), None) => actor == "event-ttl-controller",
        (kind::NODES, Some(before), Some(now)) => {
            let same = |part| before.part(part) == now.part(part);
            agent_of(actor).is_some()
                && same(Part::Metadata)
                && same(Part::Spec)
                && calmed(before) == calmed(now)
        }
        _ => false,
    }
}

/// The status of a node without the times of its heartbeats.
fn calmed(node: &Object) -> Value {
    let mut status: Value = node.part_to(Part::Status).unwrap_or_default();
    if let Some(conditions) = status.get_mut("conditions").and_then(Value::as_array_mut) {
        for condition in conditions.iter_mut().filter_map(Value::as_object_mut) {
            condition.remove("lastHeartbeatTime");
        }
    }
    status
}

/// Differences told of at most.
const TOLD: usize = 6;

/// What changed, in words.
fn told(change: &Change) -> String {
    let about = reason(change.object()).map(|reason| format!(" ({reason})")).unwrap_or_default();
    let (Some(before), Some(now)) = (&change.before, &change.now) else {
        let word = if change.now.is_some() { "it is new" } else { "it is gone" };
        return format!("{word}{about}");
    };
    let mut found = Vec::new();
    differences("", &before.body_tree(), &now.tree(), &mut found);
    found.truncate(TOLD);
    format!("{}{about}", found.join(", "))
}

/// The leaves that differ, each with both values.
fn differences(path: &str, before: &Value, now: &Value, found: &mut Vec<String>) {
    match (before, now) {
        (Value::Object(old), Value::Object(new)) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let dot = if path.is_empty() { "" } else { "." };
                differences(&format!("{path}{dot}{name}"), &before[name], &now[name], found);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (at, (before, now)) in old.iter().zip(new).enumerate() {
                differences(&format!("{path}[{at}]"), before, now, found);
            }
        }
        _ if before == now => {}
        _ => {
            let short = |value: &Value| value.to_string().chars().take(120).collect::<String>();
            found.push(format!("{path} was {} and is {}", short(before), short(now)));
        }
    }
}

/// What an Event tells.
fn reason(object: &Object) -> Option<String> {
    let tree = (object.key().kind == kind::EVENTS).then(|| object.body_tree())?;
    Some(format!("{}: {}", tree["reason"].as_str()?, tree["message"].as_str().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chaos::invariants::testing::{Bench, node, plain, pod, with};

    #[test]
    fn only_heartbeats_are_calm() {
        let beat = |time: &str, status: &str| {
            let conditions = json!([{"type": "Ready", "status": status, "lastHeartbeatTime": time}]);
            with(node("a"), json!({"status": {"conditions": conditions}}))
        };
        let mut bench = Bench::of(Quiet::default());
        bench.ok("node/a", beat("1", "True"));
        bench.ok("node/a", plain("coordination.k8s.io/v1", "Lease", "a"));
        bench.ok("x", plain("v1", "Event", "e"));
        bench.ok("user", pod("p", ""));
        bench.enter(Phase::Quiet);
        bench.ok("node/a", beat("2", "True"));
        bench.bad("node/a", beat("3", "False"), "node/a wrote nodes/a");
        bench.bad("node-controller", beat("4", "False"), "node-controller wrote nodes/a");
        bench.ok(
            "node/a",
            with(plain("coordination.k8s.io/v1", "Lease", "a"), json!({"spec": {"renewTime": "2"}})),
        );
        bench.gone("event-ttl-controller", "events/shop/e");
        bench.bad(
            "scheduler",
            pod("p", "a"),
            "scheduler wrote pods/shop/p: spec.nodeName was null and is \"a\"",
        );
        bench.bad(
            "x",
            with(plain("v1", "Event", "f"), json!({"reason": "R", "message": "m"})),
            "it is new (R: m)",
        );
        let again = with(plain("v1", "Event", "f"), json!({"reason": "R", "message": "m", "count": 2}));
        bench.bad("x", again, "count was null and is 2 (R: m)");
        bench.not_gone("user", "pods/shop/p", "it is gone");
    }

    /// Seed 66307 of 2026-11-26: a runtime that fails, and a pod that is removed at once.
    #[test]
    fn what_is_left_of_a_pod_that_is_gone_is_stopped_again_once() {
        let killing = |pod: &str, count: u64| {
            let about = json!({"kind": "Pod", "namespace": "shop", "name": pod, "uid": pod});
            let event = json!({"reason": "Killing", "message": "m", "involvedObject": about, "count": count});
            with(plain("v1", "Event", pod), event)
        };
        let mut bench = Bench::of(Quiet::default());
        bench.ok("user", pod("there", "a"));
        bench.ok("node/a", killing("there", 1));
        bench.ok("node/a", killing("gone", 1));
        bench.enter(Phase::Quiet);
        bench.ok("node/a", killing("gone", 2));
        bench.bad("node/a", killing("gone", 3), "count was 2 and is 3");
        bench.bad("node/a", killing("there", 2), "count was 1 and is 2");
    }
}
